//! What pulling images costs where tasks have no public addresses.
//!
//! A NAT gateway moves a gigabyte for $0.045 (us-east-1; aws.amazon.com/vpc/pricing), and the stock
//! image has some 0.6 GB: $0.027 a start, three times what a job of five minutes costs. Fargate
//! keeps no image from one task to the next.

use std::collections::BTreeMap;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::price::NanoDollars;
use mayfly_ecs::LaunchConfig;
use mayfly_ledger::LedgerError;

use super::finding::{Area, Finding};
use super::probe::kind::Kind;
use crate::terminal::text_format::dollars;

/// One start through a NAT gateway in us-east-1.
const START: NanoDollars = NanoDollars(27_000_000);

/// Images that were pulled in the last seven days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulls {
    /// How many, by pool.
    pub by_pool: BTreeMap<PoolName, u32>,
    /// None is missing; otherwise there were more.
    pub all: bool,
}

/// True if the image lies in ECR of this region, of whatever account: the execution role may pull
/// from any. Source of the names: ECR user guide, "Private registry" (the second is the dual-stack
/// one).
#[must_use]
pub fn is_near(image: &str, region: &str) -> bool {
    let host = image.split('/').next().unwrap_or_default();
    let Some((account, rest)) = host.split_once('.') else {
        return false;
    };
    let numbered = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let near = |service: &str, domain: &str| rest == format!("{service}.{region}.{domain}");
    let of_aws = ["amazonaws.com", "amazonaws.com.cn"];
    let classic = numbered(account)
        && ["dkr.ecr", "dkr.ecr-fips"]
            .iter()
            .any(|service| of_aws.iter().any(|domain| near(service, domain)));
    classic || (numbered(account) && near("dkr-ecr", "on.aws"))
}

/// What pulls cost, if they come through a NAT.
#[must_use]
pub fn judged(
    kinds: &[Kind],
    site: &LaunchConfig,
    pulls: &Option<Result<Pulls, LedgerError>>,
) -> Vec<Finding> {
    if site.public_ip {
        return Vec::new();
    }
    let mut by_image: BTreeMap<&str, Vec<&PoolName>> = BTreeMap::new();
    for kind in kinds
        .iter()
        .filter(|kind| !is_near(&kind.pool.image, &site.region))
    {
        by_image
            .entry(&kind.pool.image)
            .or_default()
            .extend(&kind.pools);
    }
    let finding = |(image, pools): (&str, Vec<&PoolName>)| {
        let names: Vec<&str> = pools.iter().map(|pool| pool.as_str()).collect();
        let lately = pulls
            .as_ref()
            .and_then(|pulls| pulls.as_ref().ok())
            .map(|pulls| lately(&pools, pulls))
            .unwrap_or_default();
        let what = format!(
            "{image} ({}) is pulled from outside the region at every start, and tasks have no public addresses: through a NAT gateway 0.6 GB cost about {} a start at us-east-1's price{lately}",
            names.join(", "),
            dollars(START),
        );
        let fix = "keep the image in ECR of this region (in any account whose repository lets this one pull), with an S3 gateway endpoint in the VPC; or public subnets and AssignPublicIp=ENABLED ($0.005 an hour)";
        Finding::warning(Area::Network, what, fix)
    };
    by_image.into_iter().map(finding).collect()
}

fn lately(pools: &[&PoolName], pulls: &Pulls) -> String {
    let count: u32 = pools
        .iter()
        .filter_map(|pool| pulls.by_pool.get(*pool))
        .sum();
    let cost = NanoDollars(START.0.saturating_mul(count.into()));
    let least = if pulls.all { "" } else { "at least " };
    format!(
        "; {least}{count} in the last 7 days: {least}{}",
        dollars(cost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ecr_of_the_region_is_near() {
        for (image, near) in [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/runner:1",
                true,
            ),
            (
                "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com/runner",
                true,
            ),
            ("123456789012.dkr-ecr.eu-west-1.on.aws/runner", true),
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com/runner", false),
            ("12345.dkr.ecr.eu-west-1.amazonaws.com/runner", false),
            ("public.ecr.aws/acme/runner", false),
            ("ghcr.io/actions/actions-runner:latest", false),
            (
                "evil.example/123456789012.dkr.ecr.eu-west-1.amazonaws.com/runner",
                false,
            ),
            ("runner", false),
            ("", false),
        ] {
            assert_eq!(is_near(image, "eu-west-1"), near, "{image}");
        }
    }
}
