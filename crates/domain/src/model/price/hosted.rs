//! What a job would have cost on a runner that GitHub hosts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::price::money::NanoDollars;
use crate::model::size::{Architecture, Size};

/// The day that the table is of: GitHub's prices since 2026-01-01, as its documentation had them in
/// October 2026.
pub const HOSTED_AS_OF: &str = "2026-10-30";

/// Prices of a minute that the pools file gives in place of GitHub's, by vCPUs.
pub type HostedPrices = BTreeMap<u32, NanoDollars>;

/// A kind of Linux runner that GitHub hosts.
struct HostedRunner {
    vcpus: u32,
    memory_gib: u32,
    /// A minute of it.
    minute: NanoDollars,
}

const fn runner(vcpus: u32, memory_gib: u32, minute: u64) -> HostedRunner {
    HostedRunner {
        vcpus,
        memory_gib,
        minute: NanoDollars(minute),
    }
}

/// Linux runners on x64, for private repositories, ascending. Of the runners with 2 vCPUs this is the
/// standard one; the larger ones are for organizations with GitHub Team or Enterprise Cloud.
///
/// Prices: <https://docs.github.com/en/billing/reference/actions-runner-pricing>. Memory:
/// <https://docs.github.com/en/actions/reference/runners/github-hosted-runners> and
/// <https://docs.github.com/en/actions/reference/runners/larger-runners>.
const X64: &[HostedRunner] = &[
    runner(1, 5, 2_000_000),
    runner(2, 8, 6_000_000),
    runner(4, 16, 12_000_000),
    runner(8, 32, 22_000_000),
    runner(16, 64, 42_000_000),
    runner(32, 128, 82_000_000),
    runner(64, 256, 162_000_000),
    runner(96, 384, 252_000_000),
];

/// Linux runners on arm64, the same.
const ARM64: &[HostedRunner] = &[
    runner(2, 8, 5_000_000),
    runner(4, 16, 8_000_000),
    runner(8, 32, 14_000_000),
    runner(16, 64, 26_000_000),
    runner(32, 128, 50_000_000),
    runner(64, 208, 98_000_000),
];

/// What a job that ran for `ran` costs on a GitHub-hosted runner of similar size: the smallest with
/// at least the vCPUs and the memory of `size`. `own`: the pools file's prices for its
/// architecture. None where GitHub has no runner that large.
///
/// GitHub "rounds the minutes and partial minutes each job uses up to the nearest whole minute"
/// (<https://docs.github.com/en/billing/reference/actions-runner-pricing>). Minutes that a plan
/// includes are not counted. The charge of $0.002 a minute for self-hosted runners, announced for
/// March 2026, is postponed without a date
/// (<https://github.com/resources/insights/2026-pricing-changes-for-github-actions>): neither sum
/// includes it.
#[must_use]
pub fn hosted_cost(size: &Size, ran: Duration, own: &HostedPrices) -> Option<NanoDollars> {
    let runners = match size.architecture {
        Architecture::X64 => X64,
        Architecture::Arm64 => ARM64,
    };
    let runner = runners.iter().find(|runner| {
        u64::from(runner.vcpus) * 1024 >= u64::from(size.cpu)
            && u64::from(runner.memory_gib) * 1024 >= u64::from(size.memory_mib)
    })?;
    let minute = own.get(&runner.vcpus).copied().unwrap_or(runner.minute);
    let seconds = ran
        .as_secs()
        .saturating_add(u64::from(ran.subsec_nanos() > 0));
    Some(NanoDollars(minute.0.saturating_mul(seconds.div_ceil(60))))
}

/// The vCPUs of the runners that GitHub hosts on this architecture, ascending.
pub fn hosted_vcpus(architecture: Architecture) -> impl Iterator<Item = u32> {
    let runners = match architecture {
        Architecture::X64 => X64,
        Architecture::Arm64 => ARM64,
    };
    runners.iter().map(|runner| runner.vcpus)
}
