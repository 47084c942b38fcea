//! AWS's list prices of Fargate by region.

use crate::model::price::money::NanoDollars;
use crate::model::size::Architecture;

/// The day that the table is of: AWS's price list of Amazon ECS of 2026-09-11, which prices had been
/// in force since 2026-07-01. A few figures are from elsewhere, see `REGIONS`.
pub const AS_OF: &str = "2026-09-11";

/// What an hour costs in one region.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionPrices {
    region: &'static str,
    x64: Option<TaskPrices>,
    arm64: Option<TaskPrices>,
    /// A GiB of ephemeral storage above the 20 that a task has.
    pub(super) disk_gib_hour: Option<NanoDollars>,
    /// A public IPv4 address in use.
    pub(super) public_ipv4_hour: NanoDollars,
}

/// What an hour of Linux tasks of one architecture costs on demand.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskPrices {
    /// A vCPU.
    pub(super) vcpu_hour: NanoDollars,
    /// A GiB of memory.
    pub(super) gib_hour: NanoDollars,
}

impl RegionPrices {
    /// The prices of tasks of one architecture.
    pub(super) const fn task(&self, architecture: Architecture) -> Option<TaskPrices> {
        match architecture {
            Architecture::X64 => self.x64,
            Architecture::Arm64 => self.arm64,
        }
    }

    const fn x64(self, vcpu: u64, gib: u64) -> Self {
        Self {
            x64: Some(TaskPrices::of(vcpu, gib)),
            ..self
        }
    }

    const fn arm64(self, vcpu: u64, gib: u64) -> Self {
        Self {
            arm64: Some(TaskPrices::of(vcpu, gib)),
            ..self
        }
    }

    const fn disk(self, gib: u64) -> Self {
        Self {
            disk_gib_hour: Some(NanoDollars(gib)),
            ..self
        }
    }
}

impl TaskPrices {
    const fn of(vcpu: u64, gib: u64) -> Self {
        Self {
            vcpu_hour: NanoDollars(vcpu),
            gib_hour: NanoDollars(gib),
        }
    }
}

/// A region of which only the price of public addresses is known, which has been the same in all
/// regions since February 2024
/// (<https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights/>,
/// <https://aws.amazon.com/vpc/pricing/>).
const fn region(region: &'static str) -> RegionPrices {
    RegionPrices {
        region,
        x64: None,
        arm64: None,
        disk_gib_hour: None,
        public_ipv4_hour: NanoDollars(5_000_000),
    }
}

/// The prices in nano-dollars: of tasks a vCPU and a GiB, of disks a GiB.
///
/// Each region's are in AWS's price list of it:
/// `https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonECS/current/<region>/index.json`,
/// usage types `Fargate-vCPU-Hours:perCPU`, `Fargate-GB-Hours`, the same with `Fargate-ARM-`, and
/// `Fargate-EphemeralStorage-GB-Hours`. They were taken from documents that quote the list of
/// [`AS_OF`], and not from the list itself. Other sources: arm64 in ap-southeast-2 and the disk in
/// eu-west-1 are of 2022, the disk in us-west-2 is of 2021, that in ap-south-1 follows from a bill of
/// May 2026, and those in ap-northeast-1 and us-east-2 from quotations without a date.
///
/// A price that no document quotes is left out, even where most regions follow a pattern: a cost that
/// is missing can be given in the pools file, and one that is wrong is believed.
const REGIONS: &[RegionPrices] = &[
    region("af-south-1").x64(54_600_000, 6_000_000),
    region("ap-east-1").x64(55_600_000, 6_100_000),
    region("ap-northeast-1")
        .x64(50_560_000, 5_530_000)
        .arm64(40_450_000, 4_420_000)
        .disk(133_000),
    region("ap-northeast-2")
        .x64(46_560_000, 5_110_000)
        .arm64(37_250_000, 4_090_000),
    region("ap-northeast-3").arm64(40_450_000, 4_420_000),
    region("ap-south-1")
        .x64(42_560_000, 4_655_000)
        .arm64(23_830_000, 2_610_000)
        .disk(127_000),
    region("ap-south-2")
        .x64(42_560_000, 4_655_000)
        .arm64(23_830_000, 2_610_000),
    region("ap-southeast-1")
        .x64(50_560_000, 5_530_000)
        .arm64(40_450_000, 4_420_000),
    region("ap-southeast-2")
        .x64(48_560_000, 5_320_000)
        .arm64(38_850_000, 4_260_000),
    region("ca-central-1")
        .x64(44_560_000, 4_865_000)
        .arm64(35_650_000, 3_890_000),
    region("eu-central-1")
        .x64(46_560_000, 5_110_000)
        .arm64(37_250_000, 4_090_000),
    region("eu-north-1").x64(44_500_000, 4_900_000),
    region("eu-south-1").x64(48_600_000, 5_300_000),
    region("eu-west-1")
        .x64(40_480_000, 4_445_000)
        .arm64(32_380_000, 3_560_000)
        .disk(122_000),
    region("eu-west-2")
        .x64(46_560_000, 5_110_000)
        .arm64(37_250_000, 4_090_000)
        .disk(129_000),
    region("eu-west-3").x64(48_600_000, 5_300_000),
    region("il-central-1")
        .x64(51_814_400, 5_689_600)
        .arm64(41_451_520, 4_551_680)
        .disk(146_400),
    region("me-south-1").x64(52_600_000, 5_800_000),
    region("sa-east-1")
        .x64(69_600_000, 7_600_000)
        .arm64(55_700_000, 6_120_000),
    region("us-east-1")
        .x64(40_480_000, 4_445_000)
        .arm64(32_380_000, 3_560_000)
        .disk(111_000),
    region("us-east-2")
        .x64(40_480_000, 4_445_000)
        .arm64(32_380_000, 3_560_000)
        .disk(111_000),
    region("us-gov-east-1").x64(48_600_000, 5_300_000),
    region("us-gov-west-1").x64(48_600_000, 5_300_000),
    region("us-west-1").x64(46_560_000, 5_110_000),
    region("us-west-2")
        .x64(40_480_000, 4_445_000)
        .arm64(32_380_000, 3_560_000)
        .disk(111_000),
];

/// The list prices of a region.
pub(super) fn find(region: &str) -> Option<&'static RegionPrices> {
    REGIONS.iter().find(|prices| prices.region == region)
}

/// The regions of which list prices are known, in alphabetical order.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|prices| prices.region)
}
