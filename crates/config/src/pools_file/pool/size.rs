//! How large the runners of a pool are.

use mayfly_domain::model::size::{
    Architecture, Capacity, DISK_GIB, Size, fargate_cpus, fargate_has, nearest_fargate,
};

use super::super::reader::{Field, Reader};
use super::super::units::{cpu_in_words, mebibytes, memory_in_words};
use super::declared::Declared;

/// Reads the size; `None` if a part of it is missing or wrong.
pub(super) fn read(
    reader: &mut Reader<'_>,
    pool: &Declared<'_, '_>,
    architecture: Option<Architecture>,
) -> Option<Size> {
    let cpu_field = pool.required(reader, "cpu", "cpu = 2, in vCPUs");
    let cpu = cpu_field.as_ref().and_then(|field| cpu(reader, field));
    let memory_field = pool.required(reader, "memory", r#"memory = "8 GiB""#);
    let memory = memory_field
        .as_ref()
        .and_then(|field| quantity(reader, field, r#"memory = "8 GiB""#));
    let disk = pool
        .field("disk")
        .map_or(Some(*DISK_GIB.start()), |field| disk(reader, &field));
    let words = [("on-demand", Capacity::OnDemand), ("spot", Capacity::Spot)];
    let capacity = pool
        .field("capacity")
        .map_or(Some(Capacity::OnDemand), |field| {
            reader.word(&field, &words)
        });
    let size = Size {
        cpu: cpu?,
        memory_mib: memory?,
        disk_gib: disk?,
        architecture: architecture?,
        capacity: capacity?,
    };
    let field = memory_field?;
    if !fargate_has(size.cpu, size.memory_mib) {
        let (cpu, memory) = nearest_fargate(size.cpu, size.memory_mib);
        let message = format!(
            "Fargate has no task with {} vCPU and {}",
            cpu_in_words(size.cpu),
            memory_in_words(size.memory_mib)
        );
        let hint = format!(
            "the nearest it has: cpu = {}, memory = {:?}",
            cpu_in_words(cpu),
            memory_in_words(memory)
        );
        reader.report(field.at, &pool.own.path_of("memory"), message, hint);
        return None;
    }
    Some(size)
}

/// CPU units, one of those that Fargate has.
fn cpu(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<u32> {
    let vcpus = reader.number(field, "cpu = 2, in vCPUs")?;
    let units =
        fargate_cpus().find(|units| (f64::from(*units) / 1024.0 - vcpus).abs() < f64::EPSILON);
    if units.is_none() {
        let all = fargate_cpus()
            .map(cpu_in_words)
            .collect::<Vec<_>>()
            .join(", ");
        let hint = if fargate_cpus().any(|units| (f64::from(units) - vcpus).abs() < f64::EPSILON) {
            format!(
                "cpu is in vCPUs, not in CPU units: write {}",
                vcpus / 1024.0
            )
        } else {
            format!("it has {all}")
        };
        reader.report(
            field.at,
            &field.path,
            format!("Fargate has no task with {vcpus} vCPU"),
            hint,
        );
    }
    units
}

fn disk(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<u32> {
    let mib = quantity(reader, field, r#"disk = "30 GiB""#)?;
    let gib = Some(mib / 1024).filter(|gib| mib.is_multiple_of(1024) && DISK_GIB.contains(gib));
    if gib.is_none() {
        let hint = format!(
            "whole GiB from {} to {} are possible",
            DISK_GIB.start(),
            DISK_GIB.end()
        );
        reader.report(
            field.at,
            &field.path,
            format!("Fargate has no disk of {}", memory_in_words(mib)),
            hint,
        );
    }
    gib
}

fn quantity(reader: &mut Reader<'_>, field: &Field<'_>, example: &str) -> Option<u32> {
    let text = reader.string(field, example)?;
    let mib = mebibytes(text);
    if mib.is_none() {
        let hint = format!("write a whole number and MiB or GiB, as {example}");
        reader.report(
            field.at,
            &field.path,
            format!("{text:?} is not a quantity"),
            hint,
        );
    }
    mib
}
