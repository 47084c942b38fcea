//! How large a runner is: what Fargate is asked for, and which sizes it has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Processor architecture of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86; ECS `X86_64`, GitHub label `x64`.
    X64,
    /// 64-bit Arm; ECS and GitHub `ARM64`.
    Arm64,
}

impl Architecture {
    /// As the pools file and GitHub's labels have it: `x64` or `arm64`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Which of Fargate's two kinds of capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capacity {
    /// `FARGATE`: on demand.
    OnDemand,
    /// `FARGATE_SPOT`: up to 70 % cheaper; may be reclaimed with two minutes' notice.
    Spot,
}

/// What makes two unregistered runners interchangeable. Describes itself, so that a row needs
/// nothing else to be launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// CPU units: 1024 are one vCPU.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Ephemeral storage in GiB, 20 (included in the price) to 200.
    pub disk_gib: u32,
    /// Processor architecture.
    pub architecture: Architecture,
    /// On demand or Spot.
    pub capacity: Capacity,
}

/// Smallest and largest ephemeral storage of a Fargate task, in GiB. 20 is what a task has without
/// asking; 21 to 200 can be asked for.
pub const DISK_GIB: std::ops::RangeInclusive<u32> = 20..=200;

/// Fargate's pairs: CPU units, then lowest, highest and step of the memory in MiB.
///
/// 512 MiB with 256 units is the one value off the 1-GiB grid of its row. Source: ECS API
/// reference, `Task.memory`.
const FARGATE: [(u32, u32, u32, u32); 7] = [
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// All CPU values that Fargate has, in units, ascending.
pub fn fargate_cpus() -> impl Iterator<Item = u32> {
    FARGATE.iter().map(|row| row.0)
}

/// True if Fargate has a task of this CPU (units) and memory (MiB).
#[must_use]
pub fn fargate_has(cpu: u32, memory_mib: u32) -> bool {
    (cpu == 256 && memory_mib == 512)
        || FARGATE.iter().any(|&(units, low, high, step)| {
            units == cpu
                && (low..=high).contains(&memory_mib)
                && (memory_mib - low).is_multiple_of(step)
        })
}

/// The pair that Fargate has and that is nearest to what was asked: never less of either, as long
/// as Fargate has as much.
#[must_use]
pub fn nearest_fargate(cpu: u32, memory_mib: u32) -> (u32, u32) {
    if cpu <= 256 && memory_mib <= 512 {
        return (256, 512);
    }
    let fits = FARGATE
        .iter()
        .find(|&&(units, _, high, _)| units >= cpu && high >= memory_mib);
    let &(units, low, high, step) = fits.unwrap_or(&FARGATE[FARGATE.len() - 1]);
    let over = memory_mib.clamp(low, high) - low;
    (units, low + over.div_ceil(step) * step)
}

impl fmt::Display for Size {
    /// `<cpu units>/<memory MiB>/<disk GiB>/<architecture>/<capacity>`, as
    /// `2048/8192/30/x64/ondemand`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = self.architecture.word();
        let capacity = match self.capacity {
            Capacity::OnDemand => "ondemand",
            Capacity::Spot => "spot",
        };
        write!(
            f,
            "{}/{}/{}/{architecture}/{capacity}",
            self.cpu, self.memory_mib, self.disk_gib
        )
    }
}

/// Text that does not describe a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("size {0:?} is not <cpu>/<memory>/<disk>/<architecture>/<capacity>")]
pub struct InvalidSize(pub String);

impl std::str::FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let refuse = || InvalidSize(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let [cpu, memory, disk, architecture, capacity] = parts[..] else {
            return Err(refuse());
        };
        let number = |part: &str| part.parse().map_err(|_| refuse());
        Ok(Self {
            cpu: number(cpu)?,
            memory_mib: number(memory)?,
            disk_gib: number(disk)?,
            architecture: match architecture {
                "x64" => Architecture::X64,
                "arm64" => Architecture::Arm64,
                _ => return Err(refuse()),
            },
            capacity: match capacity {
                "ondemand" => Capacity::OnDemand,
                "spot" => Capacity::Spot,
                _ => return Err(refuse()),
            },
        })
    }
}

impl Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fargate_table_has_its_corners_and_nothing_beside_them() {
        for (cpu, memory) in [
            (256, 512),
            (256, 2048),
            (512, 1024),
            (4096, 30720),
            (8192, 20480),
            (16384, 122_880),
        ] {
            assert!(fargate_has(cpu, memory), "{cpu} {memory}");
        }
        for (cpu, memory) in [
            (256, 4096),
            (512, 512),
            (2048, 2048),
            (8192, 17408),
            (16384, 36864),
            (3000, 8192),
            (0, 0),
        ] {
            assert!(!fargate_has(cpu, memory), "{cpu} {memory}");
        }
    }

    proptest! {
        #[test]
        fn nearest_pair_exists_and_is_never_smaller_where_fargate_has_as_much(cpu in 0u32..20_000, memory in 0u32..200_000) {
            let (units, mib) = nearest_fargate(cpu, memory);
            prop_assert!(fargate_has(units, mib));
            if cpu <= 16_384 && memory <= 122_880 {
                prop_assert!(units >= cpu && mib >= memory, "{units} {mib}");
            }
            if fargate_has(cpu, memory) {
                prop_assert_eq!((units, mib), (cpu, memory));
            }
        }

        #[test]
        fn size_is_read_back_from_its_text(cpu: u32, memory_mib: u32, disk_gib: u32, arm: bool, spot: bool) {
            let size = Size {
                cpu, memory_mib, disk_gib,
                architecture: if arm { Architecture::Arm64 } else { Architecture::X64 },
                capacity: if spot { Capacity::Spot } else { Capacity::OnDemand },
            };
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
