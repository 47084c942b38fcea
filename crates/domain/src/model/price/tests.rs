//! Costs against calculations by hand: dollars as exact decimals, by another program (Python's
//! `decimal`), halves rounded up.

use std::time::Duration;

use super::*;
use crate::model::size::{
    Architecture::{Arm64, X64},
    Capacity::{OnDemand, Spot},
};

const NONE: OwnPrices = OwnPrices {
    x64: NO_OWN,
    arm64: NO_OWN,
    disk_gib_hour: None,
    public_ipv4_hour: None,
    discount: BasisPoints(0),
};

const NO_OWN: OwnTaskPrices = OwnTaskPrices {
    vcpu_hour: None,
    gib_hour: None,
    spot_vcpu_hour: None,
    spot_gib_hour: None,
    hosted: HostedPrices::new(),
};

const SIZE: Size = Size {
    cpu: 2048,
    memory_mib: 8192,
    disk_gib: 20,
    architecture: X64,
    capacity: OnDemand,
};

fn hourly(region: &str, own: &OwnPrices, size: &Size) -> Result<u64, NoPrice> {
    let list = PriceList {
        region,
        own,
        public_ip: false,
    };
    list.hourly(size).map(|price| price.0)
}

struct KnownTask {
    size: Size,
    public_ip: bool,
    discount: u16,
    milliseconds: u64,
    /// In us-east-1, ap-northeast-1 and il-central-1.
    nanodollars: [u64; 3],
}

fn task(
    (cpu, memory_mib, disk_gib): (u32, u32, u32),
    (architecture, capacity): (Architecture, Capacity),
    public_ip: bool,
    (discount, milliseconds): (u16, u64),
    nanodollars: [u64; 3],
) -> KnownTask {
    let size = Size {
        cpu,
        memory_mib,
        disk_gib,
        architecture,
        capacity,
    };
    KnownTask {
        size,
        public_ip,
        discount,
        milliseconds,
        nanodollars,
    }
}

#[rustfmt::skip]
fn known_tasks() -> [KnownTask; 20] {
    [
        task((256, 512, 20), (X64, OnDemand), false, (0, 1), [205_708, 256_750, 263_307]),
        task((256, 512, 20), (X64, OnDemand), false, (0, 59_999), [205_708, 256_750, 263_307]),
        task((256, 1024, 20), (Arm64, OnDemand), false, (0, 60_000), [194_250, 242_208, 248_576]),
        task((256, 2048, 21), (X64, OnDemand), true, (0, 60_001), [408_717, 488_559, 499_509]),
        task((512, 1024, 20), (X64, OnDemand), true, (0, 61_000), [502_996, 606_781, 620_112]),
        task((512, 4096, 30), (Arm64, OnDemand), true, (0, 307_450), [3_126_200, 3_784_550, 3_883_921]),
        task((1024, 2048, 20), (X64, OnDemand), false, (0, 3_600_000), [49_370_000, 61_620_000, 63_193_600]),
        task((1024, 8192, 200), (X64, OnDemand), true, (0, 86_399_001), [2_424_480_000, 2_969_760_000, 3_088_396_800]),
        task((2048, 8192, 20), (X64, OnDemand), true, (0, 360_000), [12_152_000, 15_036_000, 15_414_560]),
        task((2048, 8192, 20), (X64, Spot), true, (0, 360_000), [4_228_640, 5_151_520, 5_272_659]),
        task((2048, 8192, 30), (Arm64, Spot), false, (0, 1_234_567), [10_616_472, 13_219_028, 13_600_531]),
        task((2048, 4096, 20), (Arm64, OnDemand), true, (2000, 754_321), [14_303_056, 17_588_144, 18_012_582]),
        task((2048, 16384, 50), (X64, OnDemand), false, (1250, 999_999), [37_888_889, 47_191_667, 48_533_778]),
        task((4096, 8192, 20), (X64, OnDemand), true, (0, 2_718_000), [152_872_400, 189_867_400, 194_619_672]),
        task((4096, 30720, 100), (Arm64, OnDemand), false, (1, 31_415_926), [2_139_572_438, 2_661_725_487, 2_740_507_079]),
        task((8192, 16384, 20), (X64, Spot), false, (0, 17_000), [2_106_453, 2_629_120, 2_696_260]),
        task((8192, 61440, 200), (X64, OnDemand), true, (3333, 7_200_500), [837_502_340, 1_039_780_146, 1_070_758_022]),
        task((16384, 32768, 20), (Arm64, OnDemand), true, (0, 432_000_000), [76_440_000_000, 95_236_800_000, 97_665_369_600]),
        task((16384, 122880, 200), (X64, OnDemand), true, (0, 432_000_000), [144_727_200_000, 180_180_000_000, 185_176_128_000]),
        task((16384, 122880, 200), (Arm64, Spot), true, (5000, 21_600_000), [1_964_817_600, 2_434_632_000, 2_510_209_766]),
    ]
}

#[test]
fn twenty_tasks_cost_what_a_calculation_by_hand_says_in_three_regions() {
    for (n, known) in known_tasks().iter().enumerate() {
        let own = OwnPrices {
            discount: BasisPoints(known.discount),
            ..NONE
        };
        let cost = ["us-east-1", "ap-northeast-1", "il-central-1"].map(|region| {
            let list = PriceList {
                region,
                own: &own,
                public_ip: known.public_ip,
            };
            let price = list.hourly(&known.size).unwrap();
            price.cost(Duration::from_millis(known.milliseconds)).0
        });
        assert_eq!(cost, known.nanodollars, "task {n}: {}", known.size);
    }
}

#[test]
fn what_has_no_known_price_has_no_cost_and_says_what_to_give() {
    let disk = Size {
        disk_gib: 21,
        ..SIZE
    };
    let arm64 = Size {
        architecture: Arm64,
        ..SIZE
    };
    for (region, size, says) in [
        (
            "xx-nowhere-1",
            SIZE,
            "x64 tasks in xx-nowhere-1: give vcpu_hour and gib_hour under [prices.x64]",
        ),
        ("eu-west-3", arm64, "arm64 tasks in eu-west-3"),
        ("ap-northeast-3", SIZE, "x64 tasks in ap-northeast-3"),
        (
            "eu-central-1",
            disk,
            "disks above 20 GiB in eu-central-1: give disk_gib_hour under [prices]",
        ),
    ] {
        let why = hourly(region, &NONE, &size).unwrap_err().to_string();
        assert!(why.contains(says), "{why}");
    }
    let own = OwnPrices {
        x64: OwnTaskPrices {
            vcpu_hour: Some(NanoDollars(50_000_000)),
            gib_hour: Some(NanoDollars(5_000_000)),
            ..NO_OWN
        },
        ..NONE
    };
    let list = PriceList {
        region: "xx-nowhere-1",
        own: &own,
        public_ip: true,
    };
    let why = list.hourly(&SIZE).unwrap_err().to_string();
    assert!(
        why.contains("give public_ipv4_hour under [prices]"),
        "{why}"
    );
}

#[test]
fn prices_of_the_pools_file_go_before_those_of_the_list() {
    let own = OwnPrices {
        x64: OwnTaskPrices {
            vcpu_hour: Some(NanoDollars(50_000_000)),
            spot_gib_hour: Some(NanoDollars(1_000_000)),
            ..NO_OWN
        },
        discount: BasisPoints(1_000),
        disk_gib_hour: Some(NanoDollars(200_000)),
        public_ipv4_hour: Some(NanoDollars(7_000_000)),
        ..NONE
    };
    let size = Size {
        disk_gib: 30,
        ..SIZE
    };
    // (2 × 0.05 + 8 × 0.004445) × 0.9 + 10 × 0.0002 dollars.
    assert_eq!(hourly("us-east-1", &own, &size), Ok(124_004_000_000));
    // 2 × 0.05 × 0.32 + 8 × 0.001 + 10 × 0.0002: a Savings Plan does not apply to Spot.
    let spot = Size {
        capacity: Spot,
        ..size
    };
    assert_eq!(hourly("us-east-1", &own, &spot), Ok(42_000_000_000));
    // 2 × 0.03238 + 8 × 0.00356, a tenth off, and the disk.
    let arm64 = Size {
        architecture: Arm64,
        ..size
    };
    assert_eq!(hourly("us-east-1", &own, &arm64), Ok(85_916_000_000));
    let list = PriceList {
        region: "us-east-1",
        own: &own,
        public_ip: true,
    };
    assert_eq!(list.hourly(&size), Ok(HourlyPrice(131_004_000_000)));
}

/// A mistyped figure is most likely off by a power of ten.
#[test]
fn list_prices_are_within_a_factor_of_two_of_those_of_us_east_1() {
    let regions: Vec<&str> = regions().collect();
    assert!(
        regions.is_sorted_by(|one, other| one < other),
        "{regions:?}"
    );
    let mut known = 0;
    for region in regions {
        for architecture in [X64, Arm64] {
            for disk_gib in [20, 200] {
                let size = |cpu, memory_mib| Size {
                    cpu,
                    memory_mib,
                    disk_gib,
                    architecture,
                    capacity: OnDemand,
                };
                for size in [size(16384, 1), size(1, 122_880)] {
                    let base = hourly("us-east-1", &NONE, &size).unwrap();
                    let Ok(price) = hourly(region, &NONE, &size) else {
                        continue;
                    };
                    known += 1;
                    assert!(
                        price > base / 2 && price < base * 2,
                        "{size} in {region}: {price}"
                    );
                }
            }
        }
    }
    assert!(known > 80, "{known}");
}

#[test]
fn a_cost_that_is_too_large_is_the_largest() {
    assert_eq!(
        HourlyPrice(u64::MAX).cost(Duration::MAX),
        NanoDollars(u64::MAX)
    );
}

#[test]
fn a_job_on_a_hosted_runner_costs_whole_minutes_of_the_smallest_that_is_large_enough() {
    let size = |cpu, gib: u32, architecture| Size {
        cpu,
        memory_mib: gib * 1024,
        architecture,
        ..SIZE
    };
    for (size, milliseconds, nanodollars) in [
        (size(1024, 4, X64), 60_000, Some(2_000_000)),
        // 1 vCPU has 5 GB there.
        (size(1024, 8, X64), 60_000, Some(6_000_000)),
        (size(2048, 8, X64), 300_000, Some(30_000_000)),
        (size(2048, 8, X64), 300_001, Some(36_000_000)),
        (size(2048, 16, X64), 1, Some(12_000_000)),
        (size(16384, 120, X64), 60_000, Some(82_000_000)),
        // There is none with 1 vCPU.
        (size(256, 1, Arm64), 59_000, Some(5_000_000)),
        (size(4096, 30, Arm64), 600_000, Some(140_000_000)),
        (size(2048, 8, X64), 0, Some(0)),
        (size(98_304, 400, X64), 60_000, None),
        (size(65_536, 256, Arm64), 60_000, None),
    ] {
        let ran = Duration::from_millis(milliseconds);
        let cost = hosted_cost(&size, ran, &HostedPrices::new());
        assert_eq!(cost, nanodollars.map(NanoDollars), "{size}, {ran:?}");
    }
    let own = HostedPrices::from([(2, NanoDollars(4_000_000))]);
    let cost = |size| hosted_cost(&size, Duration::from_secs(61), &own);
    assert_eq!(cost(size(2048, 8, X64)), Some(NanoDollars(8_000_000)));
    assert_eq!(cost(size(4096, 8, X64)), Some(NanoDollars(24_000_000)));
}
