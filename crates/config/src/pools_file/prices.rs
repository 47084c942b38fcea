//! `[prices]`: what to calculate costs with in place of list prices.

use mayfly_domain::model::price::{
    BasisPoints, HostedPrices, NanoDollars, OwnPrices, OwnTaskPrices, hosted_vcpus,
};
use mayfly_domain::model::size::Architecture;

use super::reader::{Field, Reader, Section};

/// What `[prices]` may set.
pub(super) const KEYS: &[&str] = &[
    "discount",
    "disk_gib_hour",
    "public_ipv4_hour",
    "x64",
    "arm64",
];

/// What `[prices.x64]` and `[prices.arm64]` may set.
pub(super) const TASK_KEYS: &[&str] = &[
    "vcpu_hour",
    "gib_hour",
    "spot_vcpu_hour",
    "spot_gib_hour",
    "github_minute",
];

/// What to do about a price that depends on the architecture.
const BY_ARCHITECTURE: &str =
    "it depends on the architecture: write it under [prices.x64] or [prices.arm64]";

/// Those keys, where they do not belong.
const NOT_HERE: &[(&str, &str)] = &[
    ("vcpu_hour", BY_ARCHITECTURE),
    ("gib_hour", BY_ARCHITECTURE),
    ("spot_vcpu_hour", BY_ARCHITECTURE),
    ("spot_gib_hour", BY_ARCHITECTURE),
    ("github_minute", BY_ARCHITECTURE),
];

/// What to do about a price that does not.
const FOR_BOTH: &str = "it is the same for both architectures: write it under [prices]";

/// Those keys, where they do not belong.
const NOT_IN_A_TASK: &[(&str, &str)] = &[
    ("discount", FOR_BOTH),
    ("disk_gib_hour", FOR_BOTH),
    ("public_ipv4_hour", FOR_BOTH),
];

/// An example of what `discount` should be.
const DISCOUNT: &str = r#"discount = "20%""#;

/// An example of what `github_minute` should be.
const GITHUB_MINUTE: &str = "github_minute = { 2 = 0.005 }";

/// The highest price that is taken, in dollars: 100 times what a vCPU costs anywhere. More is most
/// likely the price of another unit.
const MOST_DOLLARS: u64 = 10;

/// A dollar.
const DOLLAR: u64 = 1_000_000_000;

/// Reads the prices; those of the list where nothing is said.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> OwnPrices {
    let section = root.field("prices").and_then(|field| reader.section(field));
    let Some(section) = section else {
        return OwnPrices::default();
    };
    reader.check_keys(&section, KEYS, NOT_HERE, |_| None);
    OwnPrices {
        x64: tasks(reader, &section, Architecture::X64),
        arm64: tasks(reader, &section, Architecture::Arm64),
        disk_gib_hour: money(reader, &section, "disk_gib_hour", "0.000111"),
        public_ipv4_hour: money(reader, &section, "public_ipv4_hour", "0.005"),
        discount: section
            .field("discount")
            .and_then(|field| discount(reader, &field))
            .unwrap_or_default(),
    }
}

fn tasks(
    reader: &mut Reader<'_>,
    prices: &Section<'_>,
    architecture: Architecture,
) -> OwnTaskPrices {
    let section = prices
        .field(architecture.word())
        .and_then(|field| reader.section(field));
    let Some(section) = section else {
        return OwnTaskPrices::default();
    };
    reader.check_keys(&section, TASK_KEYS, NOT_IN_A_TASK, |_| None);
    OwnTaskPrices {
        vcpu_hour: money(reader, &section, "vcpu_hour", "0.04048"),
        gib_hour: money(reader, &section, "gib_hour", "0.004445"),
        spot_vcpu_hour: money(reader, &section, "spot_vcpu_hour", "0.0129"),
        spot_gib_hour: money(reader, &section, "spot_gib_hour", "0.00142"),
        hosted: section
            .field("github_minute")
            .map(|field| hosted(reader, field, architecture))
            .unwrap_or_default(),
    }
}

/// Prices of GitHub's hosted runners, by vCPUs.
fn hosted(reader: &mut Reader<'_>, field: Field<'_>, architecture: Architecture) -> HostedPrices {
    let mut prices = HostedPrices::new();
    let Some(section) = reader.table(field, GITHUB_MINUTE) else {
        return prices;
    };
    let known: Vec<u32> = hosted_vcpus(architecture).collect();
    for field in section.fields() {
        let vcpus = field.key.parse().ok().filter(|vcpus| known.contains(vcpus));
        let Some(vcpus) = vcpus else {
            let known: Vec<String> = known.iter().map(u32::to_string).collect();
            reader.report(
                field.at,
                &field.path,
                format!(
                    "GitHub hosts no {} runner with {:?} vCPUs",
                    architecture.word(),
                    field.key
                ),
                format!("it has {}", known.join(", ")),
            );
            continue;
        };
        if let Some(price) = price(reader, &field, "0.005") {
            prices.insert(vcpus, price);
        }
    }
    prices
}

fn money(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<NanoDollars> {
    let field = section.field(key)?;
    price(reader, &field, example)
}

/// A price in US dollars, to the nano-dollar.
fn price(reader: &mut Reader<'_>, field: &Field<'_>, example: &str) -> Option<NanoDollars> {
    let example = format!("{} = {example}, in US dollars", field.key);
    let text = reader.decimal(field, &example)?;
    let price = nanodollars(text);
    if price.is_none() {
        reader.report(
            field.at,
            &field.path,
            format!("{text} is not a price in that unit"),
            format!(
                "write a number from 0 to {MOST_DOLLARS} with at most nine decimals, as {example}"
            ),
        );
    }
    price.map(NanoDollars)
}

/// `0.04048` as 40,480,000; none if it is no such number, or too large.
fn nanodollars(text: &str) -> Option<u64> {
    fixed_point(text, 9).filter(|price| *price <= MOST_DOLLARS * DOLLAR)
}

/// A number with at most so many decimals, in units of the last of them: `1.5` with two of them is
/// 150.
fn fixed_point(text: &str, most: usize) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || decimals.len() > most {
        return None;
    }
    format!("{whole}{decimals:0<most$}").parse().ok()
}

/// `"20%"`, with at most two decimals.
fn discount(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<BasisPoints> {
    let text = reader.string(field, DISCOUNT)?;
    let discount = basis_points(text);
    if discount.is_none() {
        reader.report(
            field.at,
            &field.path,
            format!("{text:?} is not a discount"),
            format!("write 0% to 99.99%, as {DISCOUNT}"),
        );
    }
    discount.map(BasisPoints)
}

fn basis_points(text: &str) -> Option<u16> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let points: u16 = fixed_point(number, 2)?.try_into().ok()?;
    (points < 10_000).then_some(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn prices_are_read_to_the_nanodollar() {
        for (text, price) in [
            ("0.04048", Some(40_480_000)),
            ("0.000000001", Some(1)),
            ("0", Some(0)),
            ("10", Some(10_000_000_000)),
            ("10.000000001", None),
            ("0.0000000001", None),
            ("-0.04", None),
            ("4e-2", None),
            ("+0.04", None),
            ("inf", None),
            ("nan", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(nanodollars(text), price, "{text}");
        }
        for (text, points) in [
            ("20%", Some(2_000)),
            ("12.5 %", Some(1_250)),
            ("0.01%", Some(1)),
            ("99.99%", Some(9_999)),
            ("100%", None),
            ("20", None),
            ("%", None),
            ("-5%", None),
            ("0.001%", None),
            ("99999999%", None),
        ] {
            assert_eq!(basis_points(text), points, "{text}");
        }
    }

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema: Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let keys = |at: &str| {
            let keys = schema.pointer(at).unwrap().as_object().unwrap().keys();
            let mut keys: Vec<String> = keys.cloned().collect();
            keys.sort_unstable();
            keys
        };
        let sorted = |keys: &[&str]| {
            let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(keys("/properties/prices/properties"), sorted(KEYS));
        assert_eq!(
            keys("/definitions/task_prices/properties"),
            sorted(TASK_KEYS)
        );
    }
}
