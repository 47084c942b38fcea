//! Who runs the command, so that others can be told who changed something.

use aws_types::SdkConfig;

/// Whose credentials these are, as AWS knows them: `user/alice`, `assumed-role/Admin/alice`,
/// `root`. Needs no permission.
///
/// Where AWS does not say, the user of this machine: it is a help for people, nothing is decided by
/// it.
pub async fn caller(sdk: &SdkConfig) -> String {
    let asked = aws_sdk_sts::Client::new(sdk)
        .get_caller_identity()
        .send()
        .await;
    match asked.ok().and_then(|answer| answer.arn) {
        Some(arn) => short(&arn).to_owned(),
        None => local(),
    }
}

/// An identity without what all of an account have in common.
#[must_use]
pub fn short(arn: &str) -> &str {
    // arn:aws:sts::123456789012:assumed-role/Admin/alice
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn local() -> String {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    let user = variable("USER")
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| "someone".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| variable("HOSTNAME"));
    match host.as_deref().map(str::trim) {
        Some(host) if !host.is_empty() => format!("{user}@{host}"),
        _ => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_the_name_and_not_the_account() {
        assert_eq!(
            short("arn:aws:sts::123456789012:assumed-role/Admin/alice"),
            "assumed-role/Admin/alice"
        );
        assert_eq!(
            short("arn:aws:iam::123456789012:user/team/bob"),
            "user/team/bob"
        );
        assert_eq!(short("arn:aws-cn:iam::123456789012:root"), "root");
        assert_eq!(short("alice"), "alice");
    }
}
