//! The roles of pools that have one of their own: whether each is there, and whether ECS alone may
//! be it.
//!
//! A task proves to the endpoint who it is by its role's session name, which ECS makes of the
//! task's id. Anyone else who may assume the role chooses that name, and so can be any runner of
//! the pool: registrar hands out its registration, and with that the next job with all its secrets.

use std::collections::BTreeMap;

use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_ecs::LaunchConfig;
use serde_json::Value;

use super::finding::{Area, Finding};
use crate::deployment::iam::{Role, Roles};
use crate::failure::Failure;

/// The one service that may assume a task role
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>).
const ECS: &str = "ecs-tasks.amazonaws.com";

/// Actions by which a principal becomes a role
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>).
const ASSUME: [&str; 3] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
];

/// Where the trust policy stands to the letter.
const TRUST_POLICY: &str = "see docs/REFERENCE.md, \"A pool with a role of its own\"";

/// A role that pools name, and what IAM says of it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Its name.
    pub name: String,
    /// The role that runners get by that name: an ARN.
    pub wanted: String,
    /// The pools that name it.
    pub pools: Vec<String>,
    /// The role of that name; none if there is none.
    pub role: Result<Option<Role>, Failure>,
}

/// Looks at each role that a pool names. `site` knows which role of which account that is.
pub async fn gather(iam: &impl Roles, pools: Option<&Pools>, site: &LaunchConfig) -> Vec<Looked> {
    let mut named: BTreeMap<&String, Vec<&Pool>> = BTreeMap::new();
    for pool in pools.iter().flat_map(|pools| &pools.pools) {
        if let Some(name) = &pool.task_role {
            named.entry(name).or_default().push(pool);
        }
    }
    let looked = named.into_iter().map(async |(name, pools)| Looked {
        name: name.clone(),
        wanted: pools
            .first()
            .map(|pool| site.role_of(pool))
            .unwrap_or_default(),
        pools: pools.iter().map(|pool| pool.name.to_string()).collect(),
        role: iam.role(name).await,
    });
    futures::future::join_all(looked).await
}

/// What follows for the roles.
#[must_use]
pub fn judge(roles: &[Looked]) -> Vec<Finding> {
    let findings = roles.iter().map(|looked| match &looked.role {
        Err(failure) => Finding::not_seen(Area::Roles, failure),
        Ok(role) => one(looked, role.as_ref()),
    });
    findings.collect()
}

fn one(
    Looked {
        name,
        wanted,
        pools,
        ..
    }: &Looked,
    role: Option<&Role>,
) -> Finding {
    let whose = format!("pool {}", pools.join(", "));
    let path = wanted
        .split_once(":role")
        .map_or("/", |(_, path)| path.trim_end_matches(name.as_str()));
    let Some(role) = role else {
        return Finding::error(
            Area::Roles,
            format!("there is no role {name}, which {whose} names: its runners do not start"),
            format!("create it under the path {path}; {TRUST_POLICY}"),
        );
    };
    if role.arn != *wanted {
        let what = format!(
            "the role {name} of {whose} is {}, but runners get {wanted}, which does not exist",
            role.arn
        );
        return Finding::error(
            Area::Roles,
            what,
            format!("create a role under the path {path}; {TRUST_POLICY}"),
        );
    }
    let account = wanted.split(':').nth(4).unwrap_or_default();
    match too_wide(&role.trust, account) {
        None => Finding::good(
            Area::Roles,
            format!("only ECS, for this account, may assume the role {name} of {whose}"),
        ),
        Some(who) => {
            let what = format!(
                "{who} may assume the role {name} of {whose}, and so act as any of its runners and read their jobs' secrets"
            );
            Finding::error(
                Area::Roles,
                what,
                format!(
                    "let it trust only {ECS}, with aws:SourceAccount {account}; {TRUST_POLICY}"
                ),
            )
        }
    }
}

/// Who besides the account's own ECS tasks may assume a role with this trust policy, in words.
#[must_use]
pub fn too_wide(trust: &str, account: &str) -> Option<String> {
    let Ok(policy) = serde_json::from_str::<Value>(trust) else {
        return Some("anyone (its trust policy is not understood)".to_owned());
    };
    listed(&policy["Statement"])
        .into_iter()
        .filter(|statement| statement["Effect"] != "Deny")
        .find_map(|statement| {
            if !lets_assume(statement) {
                return None;
            }
            stranger(statement).or_else(|| {
                (!of_account(statement, account)).then(|| "ECS on behalf of any account".to_owned())
            })
        })
}

/// One or many.
fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn lets_assume(statement: &Value) -> bool {
    // All but some: whatever is left out, it is not meant as a limit.
    if !statement["NotAction"].is_null() {
        return true;
    }
    let patterns = listed(&statement["Action"]);
    patterns
        .iter()
        .filter_map(|pattern| pattern.as_str())
        .any(|pattern| {
            let pattern = pattern.to_ascii_lowercase();
            ASSUME.iter().any(|action| matches(&pattern, action))
        })
}

/// As IAM compares actions: `*` is any text, `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches(&pattern[1..], text)
                || text
                    .chars()
                    .next()
                    .is_some_and(|first| matches(pattern, &text[first.len_utf8()..]))
        }
        (Some('?'), Some(first)) => matches(&pattern[1..], &text[first.len_utf8()..]),
        (Some(one), Some(other)) if one == other => {
            matches(&pattern[one.len_utf8()..], &text[other.len_utf8()..])
        }
        _ => false,
    }
}

/// A principal that is not ECS.
fn stranger(statement: &Value) -> Option<String> {
    let Some(principals) = statement["Principal"].as_object() else {
        // `"Principal": "*"`, or all but some.
        return Some("anyone".to_owned());
    };
    let named = principals.iter().flat_map(|(kind, named)| {
        listed(named)
            .into_iter()
            .map(move |one| (kind.as_str(), one))
    });
    let mut strangers = named.filter(|(kind, one)| (*kind, one.as_str()) != ("Service", Some(ECS)));
    let (kind, one) = strangers.next()?;
    let one = one.as_str().unwrap_or("a principal that is not understood");
    Some(if (kind, one) == ("AWS", "*") {
        "anyone".to_owned()
    } else {
        one.to_owned()
    })
}

/// Whether ECS may use the role only for this account. A condition that is met where its key is
/// absent (`...IfExists`) says nothing.
fn of_account(statement: &Value, account: &str) -> bool {
    let conditions = statement["Condition"].as_object();
    conditions.into_iter().flatten().any(|(operator, keys)| {
        let operator = operator.to_ascii_lowercase();
        keys.as_object().into_iter().flatten().any(|(key, values)| {
            let values = listed(values);
            let all = |test: &dyn Fn(&str) -> bool| {
                !values.is_empty() && values.iter().all(|value| value.as_str().is_some_and(test))
            };
            match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                ("stringequals" | "stringequalsignorecase" | "stringlike", "aws:sourceaccount") => {
                    all(&|value| value == account)
                }
                ("stringequals" | "stringlike" | "arnequals" | "arnlike", "aws:sourcearn") => {
                    all(&|value| {
                        value.split(':').nth(4) == Some(account)
                            && value.split(':').nth(2) == Some("ecs")
                    })
                }
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "123456789012";

    fn statement(principal: &str, action: &str, condition: &str) -> String {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {principal}, "Action": {action}, "Condition": {condition}}}]}}"#
        )
    }

    fn ecs(condition: &str) -> String {
        statement(
            r#"{"Service": "ecs-tasks.amazonaws.com"}"#,
            r#""sts:AssumeRole""#,
            condition,
        )
    }

    const HERE: &str = r#"{"StringEquals": {"aws:SourceAccount": "123456789012"}}"#;

    #[test]
    fn ecs_of_the_account_alone_is_right() {
        for condition in [
            HERE,
            r#"{"StringEquals": {"AWS:sourceaccount": ["123456789012"]}}"#,
            r#"{"StringEquals": {"aws:SourceAccount": "123456789012"}, "ArnLike": {"aws:SourceArn": "arn:aws:ecs:us-east-1:123456789012:*"}}"#,
            r#"{"ArnLike": {"aws:SourceArn": "arn:aws:ecs:us-east-1:123456789012:*"}}"#,
        ] {
            assert_eq!(too_wide(&ecs(condition), ACCOUNT), None, "{condition}");
        }
        let listed = statement(
            r#"{"Service": ["ecs-tasks.amazonaws.com"]}"#,
            r#"["sts:AssumeRole", "sts:TagSession"]"#,
            HERE,
        );
        assert_eq!(too_wide(&listed, ACCOUNT), None);
        let single = format!(
            r#"{{"Statement": {}}}"#,
            ecs(HERE).split_once('[').unwrap().1.trim_end_matches("]}")
        );
        assert_eq!(too_wide(&single, ACCOUNT), None);
        // Who may only tag a session does not become the role.
        let tags = statement(
            r#"{"AWS": "arn:aws:iam::123456789012:root"}"#,
            r#""sts:TagSession""#,
            "{}",
        );
        assert_eq!(too_wide(&tags, ACCOUNT), None);
    }

    #[test]
    fn ecs_without_the_account_may_act_for_any() {
        for condition in [
            "{}",
            r#"{"StringEquals": {"aws:SourceAccount": "999999999999"}}"#,
            r#"{"StringEquals": {"aws:SourceAccount": ["123456789012", "999999999999"]}}"#,
            r#"{"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}"#,
            r#"{"StringNotEquals": {"aws:SourceAccount": "123456789012"}}"#,
            r#"{"StringLike": {"aws:SourceAccount": "*"}}"#,
            r#"{"ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:*:*"}}"#,
            r#"{"StringEquals": {"aws:SourceAccount": []}}"#,
            r#"{"StringEquals": {"sts:ExternalId": "123456789012"}}"#,
        ] {
            assert_eq!(
                too_wide(&ecs(condition), ACCOUNT).as_deref(),
                Some("ECS on behalf of any account"),
                "{condition}"
            );
        }
    }

    #[test]
    fn others_are_named_whatever_the_action_is_called() {
        for (principal, action, who) in [
            (r#""*""#, r#""sts:AssumeRole""#, "anyone"),
            (r#"{"AWS": "*"}"#, r#""sts:AssumeRole""#, "anyone"),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:root"}"#,
                r#""sts:*""#,
                "arn:aws:iam::123456789012:root",
            ),
            (r#"{"AWS": "999999999999"}"#, r#""*""#, "999999999999"),
            (
                r#"{"Service": ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]}"#,
                r#"["STS:assumerole"]"#,
                "ec2.amazonaws.com",
            ),
            (
                r#"{"Federated": "arn:aws:iam::123456789012:oidc-provider/x"}"#,
                r#""sts:AssumeRoleWithWebIdentity""#,
                "arn:aws:iam::123456789012:oidc-provider/x",
            ),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:user/eve"}"#,
                r#""sts:Assume?ole*""#,
                "arn:aws:iam::123456789012:user/eve",
            ),
        ] {
            assert_eq!(
                too_wide(&statement(principal, action, HERE), ACCOUNT).as_deref(),
                Some(who),
                "{principal} {action}"
            );
        }
        let not = r#"{"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"}]}"#;
        assert_eq!(too_wide(not, ACCOUNT).as_deref(), Some("anyone"));
        let not = r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "NotAction": "sts:TagSession"}]}"#;
        assert_eq!(
            too_wide(not, ACCOUNT).as_deref(),
            Some("arn:aws:iam::1:root")
        );
        assert!(too_wide("no policy", ACCOUNT).is_some());
    }

    #[test]
    fn one_statement_that_is_too_wide_is_enough() {
        let two = ecs(HERE).replace(
            "]}",
            r#", {"Effect": "Allow", "Principal": {"AWS": "eve"}, "Action": "sts:AssumeRole"}]}"#,
        );
        assert_eq!(too_wide(&two, ACCOUNT).as_deref(), Some("eve"));
        assert_eq!(
            too_wide(
                &two.replace(
                    r#""Effect": "Allow", "Principal": {"AWS""#,
                    r#""Effect": "Deny", "Principal": {"AWS""#
                ),
                ACCOUNT
            ),
            None
        );
    }
}
