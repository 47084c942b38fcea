//! How many vCPUs the account may run at a time, against what the pools may need, and how many
//! functions.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_servicequotas::Client;
use aws_sdk_servicequotas::error::SdkError;
use aws_sdk_servicequotas::operation::get_service_quota::GetServiceQuotaError;
use aws_types::SdkConfig;
use mayfly_config::pools_file::{Vcpus, cpu_in_words};
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::size::Capacity;

use super::finding::{Area, Finding};
use crate::deployment::refused::refused;
use crate::failure::Failure;

/// The service of the quotas of vCPUs. Source: AWS General Reference, "Amazon ECS endpoints and
/// quotas", AWS Fargate service quotas.
const FARGATE: &str = "fargate";

/// The service of the quota of functions. Source: AWS General Reference, "AWS Lambda endpoints and
/// quotas".
const LAMBDA: &str = "lambda";

/// "Concurrent executions" of all functions of an account in a region: 1,000, but often 10 in a new
/// account. What is above it API Gateway answers with 503. Source: Lambda developer guide, "Lambda
/// quotas" ("New AWS accounts have reduced concurrency and memory quotas").
pub const CONCURRENCY: &str = "L-B99A9384";

/// Below it a push of some dozens of jobs meets the limit: a delivery takes a function for some
/// milliseconds, but GitHub makes them all at once.
const FEW: u32 = 100;

/// "Fargate On-Demand vCPU resource count".
pub const ON_DEMAND: &str = "L-3032A538";

/// "Fargate Spot vCPU resource count".
pub const SPOT: &str = "L-36FBB829";

/// CPU units of a vCPU.
const UNITS: u32 = 1024;

/// What the account's quotas are.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// What the account may have at a time by this quota of that service.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    async fn value(&self, service: &str, code: &str) -> Result<u32, Failure>;
}

/// Service Quotas. Needs `servicequotas:GetServiceQuota` and
/// `servicequotas:GetAWSDefaultServiceQuota`.
#[derive(Clone, Debug)]
pub struct ServiceQuotas(Client);

impl ServiceQuotas {
    /// With these credentials, in this region.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }

    /// What every account begins with.
    async fn of_everybody(&self, service: &str, code: &str) -> Result<f64, Failure> {
        let asked = self
            .0
            .get_aws_default_service_quota()
            .service_code(service)
            .quota_code(code)
            .send()
            .await;
        let answer = asked.map_err(|error| refused(&format!("read the quota {code}"), &error))?;
        answer
            .quota
            .and_then(|quota| quota.value)
            .ok_or_else(|| unsaid(code))
    }
}

fn unsaid(code: &str) -> Failure {
    Failure::new(
        format!("Service Quotas has no value for the quota {code}"),
        "",
    )
}

#[async_trait]
impl Quotas for ServiceQuotas {
    async fn value(&self, service: &str, code: &str) -> Result<u32, Failure> {
        let value = match self
            .0
            .get_service_quota()
            .service_code(service)
            .quota_code(code)
            .send()
            .await
        {
            Ok(answer) => answer
                .quota
                .and_then(|quota| quota.value)
                .ok_or_else(|| unsaid(code))?,
            // An account whose quota was never changed may have no value of its own.
            Err(SdkError::ServiceError(error))
                if matches!(
                    error.err(),
                    GetServiceQuotaError::NoSuchResourceException(_)
                ) =>
            {
                self.of_everybody(service, code).await?
            }
            Err(error) => return Err(refused(&format!("read the quota {code}"), &error)),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates, and vCPUs are whole"
        )]
        Ok(value as u32)
    }
}

/// What the account may run: vCPUs on demand and on Spot, and functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// On demand.
    pub on_demand: Result<u32, Failure>,
    /// On Spot.
    pub spot: Result<u32, Failure>,
    /// Functions at a time.
    pub functions: Result<u32, Failure>,
}

/// Asks for all of them.
pub async fn gather(quotas: &impl Quotas) -> Allowed {
    let (on_demand, spot, functions) = futures::join!(
        quotas.value(FARGATE, ON_DEMAND),
        quotas.value(FARGATE, SPOT),
        quotas.value(LAMBDA, CONCURRENCY)
    );
    Allowed {
        on_demand,
        spot,
        functions,
    }
}

/// How long a plan waits for them.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks for those of vCPUs, where it is enough to know them if these credentials may.
pub async fn known(quotas: &impl Quotas) -> Vcpus {
    let both = async {
        futures::join!(
            quotas.value(FARGATE, ON_DEMAND),
            quotas.value(FARGATE, SPOT)
        )
    };
    let Ok((on_demand, spot)) = tokio::time::timeout(WITHIN, both).await else {
        return Vcpus::default();
    };
    Vcpus {
        on_demand: on_demand.ok(),
        spot: spot.ok(),
    }
}

/// How many vCPUs of a capacity run when every pool is at its `max`; a part of one counts as one.
#[must_use]
pub fn at_max(pools: &[Pool], capacity: Capacity) -> u64 {
    let mine = pools.iter().filter(|pool| pool.size.capacity == capacity);
    mine.map(|pool| u64::from(pool.max) * u64::from(pool.size.cpu))
        .sum::<u64>()
        .div_ceil(UNITS.into())
}

/// What follows for these pools.
#[must_use]
pub fn judge(allowed: &Allowed, pools: &Pools) -> Vec<Finding> {
    let kinds = [
        (
            Capacity::OnDemand,
            &allowed.on_demand,
            "on demand",
            ON_DEMAND,
        ),
        (Capacity::Spot, &allowed.spot, "on Spot", SPOT),
    ];
    let mut findings = Vec::new();
    for (capacity, allowed, words, code) in kinds {
        let mine: Vec<&Pool> = pools
            .pools
            .iter()
            .filter(|pool| pool.size.capacity == capacity)
            .collect();
        if !mine.is_empty() {
            findings.push(match allowed {
                Ok(quota) => one(&mine, at_max(&pools.pools, capacity), *quota, words, code),
                Err(failure) => Finding::not_seen(Area::Quota, failure),
            });
        }
    }
    findings.push(match &allowed.functions {
        Ok(most) => functions(*most),
        Err(failure) => Finding::not_seen(Area::Quota, failure),
    });
    findings
}

fn functions(most: u32) -> Finding {
    if most >= FEW {
        return Finding::good(
            Area::Quota,
            format!("the account may run {most} Lambda functions at a time"),
        );
    }
    let what = format!(
        "the account may run {most} Lambda functions at a time: when a push has more jobs than that, some deliveries are answered 503 and requested again a minute or more later"
    );
    Finding::warning(
        Area::Quota,
        what,
        format!("ask for 1,000 in Service Quotas (Lambda, Concurrent executions, {CONCURRENCY})"),
    )
}

fn one(pools: &[&Pool], needs: u64, quota: u32, words: &str, code: &str) -> Finding {
    let ask =
        format!("ask for more in Service Quotas (Fargate, {code}; it may take days), or lower max");
    let may = u64::from(quota) * u64::from(UNITS);
    if let Some(pool) = pools.iter().find(|pool| u64::from(pool.size.cpu) > may) {
        let cpu = cpu_in_words(pool.size.cpu);
        let what = format!(
            "the account may run {quota} vCPU {words}, and one runner of pool {} has {cpu}: none ever starts",
            pool.name
        );
        return Finding::error(Area::Quota, what, ask);
    }
    if needs > u64::from(quota) {
        let what = format!(
            "the account may run {quota} vCPU {words}, and the pools at their max need {needs}: jobs will wait for that"
        );
        return Finding::warning(Area::Quota, what, ask);
    }
    Finding::good(
        Area::Quota,
        format!(
            "the account may run {quota} vCPU {words}, and the pools at their max need {needs}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn pools(text: &str) -> Pools {
        let file = format!("[github]\naccounts = [\"acme\"]\n{text}");
        mayfly_config::pools_file::parse(&file, 1).unwrap()
    }

    const TWO: &str = "[pools.small]\nlabels = [\"small\"]\ncpu = 0.5\nmemory = \"1 GiB\"\nmax = 3\n\
                       [pools.large]\nlabels = [\"large\"]\ncpu = 4\nmemory = \"8 GiB\"\nmax = 2\n\
                       [pools.spot]\nlabels = [\"spot\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 8\ncapacity = \"spot\"\n";

    #[test]
    fn pools_are_held_against_the_quota_of_their_capacity() {
        let cases = [
            (10, 8, [Level::Good, Level::Good]),
            (9, 7, [Level::Warning, Level::Warning]),
            (4, 1, [Level::Warning, Level::Warning]),
            (3, 0, [Level::Error, Level::Error]),
        ];
        for (on_demand, spot, levels) in cases {
            let found = judge(
                &Allowed {
                    on_demand: Ok(on_demand),
                    spot: Ok(spot),
                    functions: Ok(1_000),
                },
                &pools(TWO),
            );
            assert_eq!([found[0].level, found[1].level], levels, "{found:?}");
        }
        let found = judge(
            &Allowed {
                on_demand: Ok(10),
                spot: Ok(0),
                functions: Ok(1_000),
            },
            &pools(TWO),
        );
        assert!(
            found[0].what.contains("need 10") && found[1].what.contains("none ever starts"),
            "{found:?}"
        );
    }

    #[test]
    fn what_no_pool_uses_is_not_told_and_what_cannot_be_asked_is_unknown() {
        let denied = || {
            Err(Failure::new(
                "ask for the quota: AccessDenied",
                "attach the policy",
            ))
        };
        let only_spot = pools(&format!(
            "[pools.spot]{}",
            TWO.split("[pools.spot]").last().unwrap()
        ));
        let found = judge(
            &Allowed {
                on_demand: denied(),
                spot: denied(),
                functions: denied(),
            },
            &only_spot,
        );
        assert_eq!(
            found.iter().map(|one| one.level).collect::<Vec<_>>(),
            [Level::Unknown; 2]
        );
    }

    #[test]
    fn a_new_accounts_few_functions_are_told() {
        for (functions, level) in [
            (10, Level::Warning),
            (99, Level::Warning),
            (100, Level::Good),
            (1_000, Level::Good),
        ] {
            let found = judge(
                &Allowed {
                    on_demand: Ok(100),
                    spot: Ok(100),
                    functions: Ok(functions),
                },
                &pools(TWO),
            );
            let last = found.last().unwrap();
            assert_eq!(last.level, level, "{last:?}");
            assert_eq!(
                last.fix
                    .as_ref()
                    .is_some_and(|fix| fix.contains(CONCURRENCY)),
                level == Level::Warning,
                "{last:?}"
            );
        }
    }
}
