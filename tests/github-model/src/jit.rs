//! The registration that `generate-jitconfig` hands out: base64 of a JSON object of three files,
//! each base64 again.

use super::chance::Chance;
use super::id::{GroupId, RunnerId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What goes into a registration.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The runner.
    pub id: RunnerId,
    /// Its name.
    pub name: &'a str,
    /// Its group.
    pub group: GroupId,
    /// The group's name.
    pub group_name: &'a str,
    /// Where its work folder is.
    pub work_folder: &'a str,
    /// Where GitHub is.
    pub server_url: &'a str,
    /// What it is registered with: the URL of a repository or an organization.
    pub owner_url: &'a str,
}

/// The registration as one line of base64, about 4.3 KB like a real one since June 2025.
#[must_use]
pub fn encode(registration: &Registration<'_>, chance: &mut Chance) -> String {
    let settings = json!({
        "AgentId": registration.id.to_string(),
        "AgentName": registration.name,
        "PoolId": registration.group.to_string(),
        "PoolName": registration.group_name,
        "DisableUpdate": "false",
        "Ephemeral": "true",
        "agentId": registration.id.to_string(),
        "agentName": registration.name,
        "ephemeral": "true",
        "serverUrl": registration.server_url,
        "serverUrlV2": registration.server_url,
        "gitHubUrl": registration.owner_url,
        "workFolder": registration.work_folder,
        "UseV2Flow": "true",
    });
    let credentials = json!({
        "Scheme": "OAuth",
        "Data": {
            "ClientId": chance.guid(),
            "AuthorizationUrl": format!("{}/_apis/oauth2/token", registration.server_url),
            "RequireFipsCryptography": "True",
            // What GitHub added in June 2025 took the whole beyond 4 KB.
            "AuthorizationUrlV2": format!("{}/_apis/oauth2/token/{}", registration.server_url, chance.hex(112)),
        },
    });
    // The numbers of an RSA-2048 key, by their sizes only: making a real key takes longer than
    // everything else here.
    let mut number = |bytes| STANDARD.encode(chance.bytes(bytes));
    let key = json!({
        "d": number(256), "dp": number(128), "dq": number(128), "exponent": "AQAB",
        "inverseQ": number(128), "modulus": number(256), "p": number(128), "q": number(128),
    });
    let file = |content: &Value| STANDARD.encode(content.to_string());
    let files = json!({
        ".runner": file(&settings),
        ".credentials": file(&credentials),
        ".credentials_rsaparams": file(&key),
    });
    STANDARD.encode(files.to_string())
}

/// The runner that a registration is for, if it is one.
#[must_use]
pub fn runner_of(encoded: &str) -> Option<RunnerId> {
    let files: Value = serde_json::from_slice(&STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let settings: Value =
        serde_json::from_slice(&STANDARD.decode(files.get(".runner")?.as_str()?).ok()?).ok()?;
    settings
        .get("AgentId")?
        .as_str()?
        .parse()
        .ok()
        .map(RunnerId)
}
