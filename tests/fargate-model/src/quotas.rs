//! Service Quotas, as far as they are Fargate's: what the account may run, told by the one who
//! holds tasks against it.

use super::answer::Refusal;
use super::requests::read;
use super::settings::Settings;
use serde::Deserialize;
use serde_json::{Value, json};

/// What precedes the operation in `X-Amz-Target` (botocore, `metadata.targetPrefix`).
pub(crate) const TARGET: &str = "ServiceQuotasV20190624.";

/// What every account begins with (AWS General Reference, "AWS Fargate service quotas").
const DEFAULT: u32 = 6;

/// Stands for an account without a limit: AWS has none.
const MANY: u32 = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    service_code: String,
    quota_code: String,
}

/// Answers one call.
pub(crate) fn answer(
    operation: &str,
    input: &Value,
    settings: &Settings,
) -> Result<Value, Refusal> {
    let asked: Asked = read(input)?;
    let (name, quota) = match (asked.service_code.as_str(), asked.quota_code.as_str()) {
        ("fargate", "L-3032A538") => ("Fargate On-Demand vCPU resource count", settings.vcpu_quota),
        ("lambda", "L-B99A9384") => ("Concurrent executions", None),
        ("fargate", "L-36FBB829") => ("Fargate Spot vCPU resource count", settings.spot_vcpu_quota),
        _ => {
            return Err(Refusal::new(
                "NoSuchResourceException",
                "The request failed because the specified service quota does not exist.",
            ));
        }
    };
    let value = match operation {
        "GetServiceQuota" => quota.unwrap_or(MANY),
        "GetAWSDefaultServiceQuota" => DEFAULT,
        _ => {
            return Err(Refusal::new(
                "UnknownOperationException",
                "The model does not know this operation.",
            ));
        }
    };
    let (service, code) = (asked.service_code, asked.quota_code);
    Ok(
        json!({ "Quota": { "ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Value": f64::from(value), "Adjustable": true } }),
    )
}
