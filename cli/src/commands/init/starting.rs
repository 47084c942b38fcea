//! A pools file to start with.

use mayfly_github::AccountNow;

use super::manifest::Scope;

/// GitHub unless the file says otherwise.
const GITHUB: &str = "https://github.com";

/// The file: the accounts pinned by id, so that a login that is given up lets nobody else in.
#[must_use]
pub fn pools_file(github: &str, scope: Scope, accounts: &[AccountNow]) -> String {
    let accounts: Vec<String> =
        accounts.iter().map(|account| format!("{{ login = \"{}\", id = {} }}", account.login, account.id)).collect();
    let accounts = if accounts.is_empty() { "\"acme\"".to_owned() } else { accounts.join(", ") };
    let url = if github == GITHUB { String::new() } else { format!("url = \"{github}\"\n") };
    let place = match scope {
        Scope::Organization => {
            "scope = \"organization\"\n\
             # A group of their own says which repositories may use the runners: make it under organization settings > Actions > Runner\n\
             # groups. Without GitHub Team or Enterprise there is only \"Default\".\n\
             runner_group = \"mayfly\"\n"
        }
        Scope::Repository => "scope = \"repository\"               # each runner can reach one repository only\n",
    };
    format!(
        "#:schema ./pools.schema.json\n\
         # For editors: mayfly schema > pools.schema.json. Check with `mayfly check pools.toml`, put in force with `mayfly apply pools.toml`.\n\n\
         [github]\n\
         accounts = [{accounts}]\n\
         {url}\n\
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
    use mayfly_domain::id::OwnerId;
    use mayfly_settings::pools_file::parse;

    fn account(login: &str, id: i64) -> AccountNow {
        AccountNow { id: OwnerId(id), login: login.to_owned(), organization: true }
    }

    #[test]
    fn a_starting_file_is_a_pools_file() {
        for scope in [Scope::Organization, Scope::Repository] {
            for (github, accounts) in [
                (GITHUB, vec![account("acme", 5)]),
                ("https://ghes.test", vec![account("acme", 5), account("globex", 6)]),
                (GITHUB, Vec::new()),
            ] {
                if scope == Scope::Organization && accounts.len() != 1 {
                    continue;
                }
                let text = pools_file(github, scope, &accounts);
                let pools = parse(&text, 1).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
                assert_eq!(pools.github_url, github);
                assert_eq!(pools.accounts.iter().filter_map(|account| account.id).count(), accounts.len());
            }
        }
    }

    #[test]
    fn file_of_an_organization() {
        insta::assert_snapshot!(pools_file("https://ghes.test", Scope::Organization, &[account("acme", 5_500_001)]));
    }
}
