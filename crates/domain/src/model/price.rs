//! What a runner cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::size::{Architecture, Capacity, Size};

/// Money, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

/// Hourly prices in millionths of a dollar: one vCPU, one GiB of memory.
struct Prices {
    vcpu: u64,
    gib: u64,
}

/// Fargate's list prices in us-east-1 (aws.amazon.com/fargate/pricing, read 2026-11): other regions
/// differ by up to a third.
fn prices(size: &Size) -> Prices {
    match (size.architecture, size.capacity) {
        (Architecture::X64, Capacity::OnDemand) => Prices {
            vcpu: 40_480,
            gib: 4_445,
        },
        (Architecture::Arm64, Capacity::OnDemand) => Prices {
            vcpu: 32_380,
            gib: 3_560,
        },
        // Spot prices move; these are quoted 68 % below on demand.
        (Architecture::X64, Capacity::Spot) => Prices {
            vcpu: 12_910,
            gib: 1_417,
        },
        (Architecture::Arm64, Capacity::Spot) => Prices {
            vcpu: 10_362,
            gib: 1_139,
        },
    }
}

/// One GiB of ephemeral storage beyond the 20 that are free, an hour, in millionths of a dollar.
const DISK_GIB_HOUR: u64 = 111;

/// A public IPv4 address, an hour, in millionths of a dollar.
const PUBLIC_IPV4_HOUR: u64 = 5_000;

/// Fargate bills from the start of the image pull to the end of the task, by the second, one minute
/// at least.
const LEAST_BILLED: Duration = Duration::from_secs(60);

/// What a task of this size costs at us-east-1's list prices when it is billed for `billed` (image
/// pull to stop), public address included if it has one.
#[must_use]
pub fn cost(size: &Size, billed: Duration, public_ip: bool) -> MicroDollars {
    let prices = prices(size);
    let hourly_times_1024 = u64::from(size.cpu) * prices.vcpu
        + u64::from(size.memory_mib) * prices.gib
        + (u64::from(size.disk_gib.saturating_sub(20)) * DISK_GIB_HOUR
            + if public_ip { PUBLIC_IPV4_HOUR } else { 0 })
            * 1024;
    let seconds = billed.max(LEAST_BILLED).as_secs_f64().ceil();
    // Whole seconds fit: a task lives for days, not for 2⁶⁴ seconds.
    let seconds = Duration::from_secs_f64(seconds.min(1e9)).as_secs();
    MicroDollars(hourly_times_1024.saturating_mul(seconds) / (1024 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 20,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };

    #[test]
    fn five_minutes_of_two_vcpus_and_eight_gib_cost_about_a_cent() {
        // (2 × 0.04048 + 8 × 0.004445) / 12 = 0.0097100 dollars.
        assert_eq!(
            cost(&SIZE, Duration::from_secs(300), false),
            MicroDollars(9_710)
        );
    }

    #[test]
    fn the_first_minute_is_paid_whole() {
        assert_eq!(
            cost(&SIZE, Duration::from_secs(3), false),
            cost(&SIZE, Duration::from_secs(60), false)
        );
        assert!(
            cost(&SIZE, Duration::from_secs(61), true) > cost(&SIZE, Duration::from_secs(60), true)
        );
    }
}
