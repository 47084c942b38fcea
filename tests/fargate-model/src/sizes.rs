//! The CPU and memory pairs that Fargate has, and the texts that name them.

/// One row per CPU value of Linux tasks on platform version 1.4.0: CPU units, smallest and largest
/// memory and the step between them in MiB. Source: `Task.memory` in the ECS API reference.
const PAIRS: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Whether a Fargate task may have `cpu` units with `memory` MiB.
pub(crate) fn pair_exists(cpu: u32, memory: u32) -> bool {
    PAIRS.iter().any(|&(units, least, most, step)| {
        let in_range = units == cpu
            && (least..=most).contains(&memory)
            && (memory - least).is_multiple_of(step);
        // 256 units go with 512, 1024 and 2048 MiB, and not with the 1536 between them.
        in_range && (cpu, memory) != (256, 1536)
    })
}

/// CPU units of `1024`, `1 vCPU` or `.5 vcpu`.
pub(crate) fn cpu_units(text: &str) -> Option<u32> {
    scaled(text, "vcpu")
}

/// MiB of `2048`, `2 GB` or `0.5GB`.
pub(crate) fn memory_mib(text: &str) -> Option<u32> {
    scaled(text, "gb")
}

/// A whole number, or a number with a unit of 1024 times as much.
fn scaled(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let Some(number) = text.strip_suffix(unit) else {
        return text.parse().ok();
    };
    let value: f64 = number.trim().parse().ok()?;
    let units = value * 1024.0;
    if units.fract() != 0.0 || !(0.0..=1_048_576.0).contains(&units) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and in range, checked above"
    )]
    Some(units as u32)
}
