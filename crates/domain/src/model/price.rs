//! What a runner costs: the price of an hour of its task, times how long it lasted.
//!
//! The price is fixed when the task is asked for: scaler knows the region, the pools file and the
//! capacity that it asks for, and writes the price into the runner's row. Its end then needs nothing
//! but the row and ECS's times.

mod hosted;
mod money;
mod regions;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::size::{Architecture, Capacity, DISK_GIB, Size};

pub use hosted::{HOSTED_AS_OF, HostedPrices, hosted_cost, hosted_vcpus};
pub use money::NanoDollars;
pub use regions::{AS_OF, regions};

/// What an hour of a task costs, in trillionths of a US dollar: a discount of 12.5 % leaves parts of
/// a nano-dollar, and days of them would add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HourlyPrice(pub u64);

/// An hour's price as a runner's row has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Price {
    /// It is known.
    Hour(HourlyPrice),
    /// It is not: then no cost is, rather than a wrong one.
    Unknown(NoPrice),
}

/// Why no price is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPrice {
    /// Of vCPUs and memory.
    Compute {
        /// Where.
        region: String,
        /// Of which tasks.
        architecture: Architecture,
    },
    /// Of the disk above 20 GiB.
    Disk {
        /// Where.
        region: String,
    },
    /// Of public IPv4 addresses.
    PublicAddress {
        /// Where.
        region: String,
    },
    /// The runner was launched by a version of Mayfly that wrote down no price.
    NotRecorded,
}

impl fmt::Display for NoPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compute {
                region,
                architecture,
            } => {
                let architecture = architecture.word();
                write!(
                    f,
                    "Mayfly knows no price of {architecture} tasks in {region}: give vcpu_hour and gib_hour under [prices.{architecture}] in the pools file"
                )
            }
            Self::Disk { region } => write!(
                f,
                "Mayfly knows no price of disks above 20 GiB in {region}: give disk_gib_hour under [prices] in the pools file"
            ),
            Self::PublicAddress { region } => write!(
                f,
                "Mayfly knows no price of public IPv4 addresses in {region}: give public_ipv4_hour under [prices] in the pools file"
            ),
            Self::NotRecorded => {
                f.write_str("the runner was launched before Mayfly wrote down prices")
            }
        }
    }
}

/// A share of a price, in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BasisPoints(pub u16);

/// The whole of it.
const WHOLE: u16 = 10_000;

impl BasisPoints {
    /// What is left of a price when this is taken off.
    fn left(self) -> u64 {
        WHOLE.saturating_sub(self.0).into()
    }
}

/// Prices that the pools file gives in place of the list prices of the stack's region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPrices {
    /// Of x64 tasks.
    pub x64: OwnTaskPrices,
    /// Of arm64 tasks.
    pub arm64: OwnTaskPrices,
    /// A GiB of disk above 20, an hour.
    pub disk_gib_hour: Option<NanoDollars>,
    /// A public IPv4 address, an hour.
    pub public_ipv4_hour: Option<NanoDollars>,
    /// Off vCPUs and memory on demand, for a Savings Plan or an agreement. A Savings Plan does not
    /// apply to Spot (<https://aws.amazon.com/savingsplans/compute-pricing/>).
    pub discount: BasisPoints,
}

/// Prices of an hour that the pools file gives for one architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTaskPrices {
    /// A vCPU on demand.
    pub vcpu_hour: Option<NanoDollars>,
    /// A GiB of memory on demand.
    pub gib_hour: Option<NanoDollars>,
    /// A vCPU on Spot.
    pub spot_vcpu_hour: Option<NanoDollars>,
    /// A GiB of memory on Spot.
    pub spot_gib_hour: Option<NanoDollars>,
    /// A minute of GitHub's hosted runners.
    pub hosted: HostedPrices,
}

impl OwnPrices {
    /// Those of one architecture.
    #[must_use]
    pub const fn of(&self, architecture: Architecture) -> &OwnTaskPrices {
        match architecture {
            Architecture::X64 => &self.x64,
            Architecture::Arm64 => &self.arm64,
        }
    }
}

/// What Spot costs of the price on demand, in hundredths of a percent: an estimate. The price moves
/// with supply and demand; AWS documents "up to 70 %" off (<https://aws.amazon.com/fargate/pricing/>).
/// On 2026-09-28 it was 68 % off in us-east-1, 70 % in eu-west-1 and ap-south-2
/// (<https://dftu77xade0tc.cloudfront.net/fargate-spot-prices.json>, which that page reads).
const SPOT: u64 = 3_200;

/// What prices follow from.
#[derive(Clone, Copy, Debug)]
pub struct PriceList<'a> {
    /// The region that the tasks run in.
    pub region: &'a str,
    /// What the pools file gives.
    pub own: &'a OwnPrices,
    /// Tasks have a public IPv4 address.
    pub public_ip: bool,
}

/// A unit's price and which share of it is to be paid, in hundredths of a percent.
type Unit = (u64, u64);

impl PriceList<'_> {
    /// What an hour of a task of this size costs, the disk above 20 GiB and a public address
    /// included.
    ///
    /// # Errors
    ///
    /// [`NoPrice`] if a part of it has no known price.
    pub fn hourly(&self, size: &Size) -> Result<HourlyPrice, NoPrice> {
        let (vcpu, gib) = self
            .compute(size.architecture, size.capacity)
            .ok_or_else(|| NoPrice::Compute {
                region: self.region.to_owned(),
                architecture: size.architecture,
            })?;
        let listed = regions::find(self.region);
        let disk_gib = u128::from(size.disk_gib.saturating_sub(*DISK_GIB.start()));
        let disk = self
            .own
            .disk_gib_hour
            .or(listed.and_then(|listed| listed.disk_gib_hour));
        let disk = match disk {
            _ if disk_gib == 0 => 0,
            Some(price) => disk_gib * u128::from(price.0),
            None => {
                return Err(NoPrice::Disk {
                    region: self.region.to_owned(),
                });
            }
        };
        let address = self
            .own
            .public_ipv4_hour
            .or(listed.map(|listed| listed.public_ipv4_hour));
        let address = match address {
            _ if !self.public_ip => 0,
            Some(price) => u128::from(price.0),
            None => {
                return Err(NoPrice::PublicAddress {
                    region: self.region.to_owned(),
                });
            }
        };
        // CPU is in 1024ths of a vCPU and memory in those of a GiB; shares are in 10,000ths.
        let part = |units: u32, (price, share): Unit| {
            u128::from(units) * u128::from(price) * u128::from(share)
        };
        let parts = 1024 * u128::from(WHOLE);
        let nano = part(size.cpu, vcpu) + part(size.memory_mib, gib) + (disk + address) * parts;
        Ok(HourlyPrice(rounded(nano * 1_000, parts)))
    }

    /// What a vCPU and a GiB cost an hour.
    fn compute(&self, architecture: Architecture, capacity: Capacity) -> Option<(Unit, Unit)> {
        let own = self.own.of(architecture);
        let listed = regions::find(self.region).and_then(|listed| listed.task(architecture));
        let vcpu = own.vcpu_hour.or(listed.map(|listed| listed.vcpu_hour));
        let gib = own.gib_hour.or(listed.map(|listed| listed.gib_hour));
        let unit = |price: Option<NanoDollars>, spot: Option<NanoDollars>| match capacity {
            Capacity::OnDemand => price.map(|price| (price.0, self.own.discount.left())),
            Capacity::Spot => spot
                .map(|spot| (spot.0, u64::from(WHOLE)))
                .or(price.map(|price| (price.0, SPOT))),
        };
        unit(vcpu, own.spot_vcpu_hour).zip(unit(gib, own.spot_gib_hour))
    }

    /// [`hourly`](Self::hourly), as a runner's row has it.
    #[must_use]
    pub fn price(&self, size: &Size) -> Price {
        match self.hourly(size) {
            Ok(price) => Price::Hour(price),
            Err(why) => Price::Unknown(why),
        }
    }
}

/// Fargate bills Linux tasks for a minute at least
/// (<https://aws.amazon.com/fargate/pricing/>, "Pricing Details").
const LEAST_BILLED: Duration = Duration::from_secs(60);

impl HourlyPrice {
    /// What a task costs that lasted for `billed`, from the start of its image pull to its end:
    /// Fargate bills "from the time you start to download your container image until the Amazon ECS
    /// Task \[...\] terminates, rounded up to the nearest second"
    /// (<https://aws.amazon.com/fargate/pricing/>). Halves of a nano-dollar are rounded up.
    #[must_use]
    pub fn cost(self, billed: Duration) -> NanoDollars {
        let billed = billed.max(LEAST_BILLED);
        let seconds = billed
            .as_secs()
            .saturating_add(u64::from(billed.subsec_nanos() > 0));
        NanoDollars(rounded(
            u128::from(self.0) * u128::from(seconds),
            3_600 * 1_000,
        ))
    }
}

/// A quotient, halves rounded up; the largest number there is for more than that.
fn rounded(dividend: u128, divisor: u128) -> u64 {
    u64::try_from((dividend + divisor / 2) / divisor).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
