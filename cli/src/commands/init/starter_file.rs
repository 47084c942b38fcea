//! A pools file to start with.

use mayfly_github::Account;

use super::manifest::Scope;

/// The file: the accounts pinned by id, so that a login that is given up lets no one else in; the
/// runner group is for an organization.
#[must_use]
pub fn pools_file(scope: Scope, accounts: &[Account], group: &str) -> String {
    let accounts: Vec<String> = accounts
        .iter()
        .map(|account| format!("{{ login = \"{}\", id = {} }}", account.login, account.id))
        .collect();
    let accounts = if accounts.is_empty() {
        "\"acme\"".to_owned()
    } else {
        accounts.join(", ")
    };
    let place = match scope {
        Scope::Organization => {
            format!(
                "scope = \"organization\"\n\
                 # The group's settings say which repositories may use the runners: organization settings > Actions > Runner groups.\n\
                 runner_group = \"{group}\"\n"
            )
        }
        Scope::Repository => {
            "scope = \"repository\"               # each runner can reach one repository only\n"
                .to_owned()
        }
    };
    format!(
        "#:schema ./pools.schema.json\n\
         # For editors: mayfly schema > pools.schema.json. Check with `mayfly check pools.toml`, apply it with `mayfly apply pools.toml`.\n\n\
         [github]\n\
         accounts = [{accounts}]\n\n\
         [pools.linux]\n\
         labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]   # runs-on: [self-hosted, linux, x64, mayfly]\n\
         {place}\
         cpu = 2                             # vCPU\n\
         memory = \"8 GiB\"\n\
         max = 3                             # runners at a time; new AWS accounts may run 6 vCPU\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_config::pools_file::parse;
    use mayfly_domain::model::id::OwnerId;

    fn account(login: &str, id: i64) -> Account {
        Account {
            id: OwnerId(id),
            login: login.to_owned(),
            organization: true,
        }
    }

    #[test]
    fn a_starting_file_is_a_pools_file() {
        for scope in [Scope::Organization, Scope::Repository] {
            for accounts in [
                vec![account("acme", 5)],
                vec![account("acme", 5), account("globex", 6)],
                Vec::new(),
            ] {
                if scope == Scope::Organization && accounts.len() != 1 {
                    continue;
                }
                let text = pools_file(scope, &accounts, "mayfly");
                let pools =
                    parse(&text, 1).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
                assert_eq!(
                    pools
                        .accounts
                        .iter()
                        .filter_map(|account| account.id)
                        .count(),
                    accounts.len()
                );
            }
        }
    }

    #[test]
    fn file_of_an_organization() {
        insta::assert_snapshot!(pools_file(
            Scope::Organization,
            &[account("acme", 5_500_001)],
            "mayfly"
        ));
    }
}
