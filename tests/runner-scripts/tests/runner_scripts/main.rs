//! `runner/entrypoint.sh`, `runner/job-started.sh` and `runner/probe.sh`, run by a real bash with a
//! real curl against small servers on loopback that answer well, badly, or not at all. The
//! signature is compared with botocore's in `runner/tests/signature.py`; here only the standard
//! library is used.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

mod admission;
mod container;
mod credentials;
mod definition;
mod dot_env;
mod image;
mod probe;
mod process;
mod registration;
mod secrets;
mod server;
mod stopping;
mod text;
mod usage;

/// What the credentials server hands out. Every character that needs quoting somewhere is in it.
pub(crate) const SECRET: &str = r#"sEcReT/"\'$(id)`+#%{}[]"#;
/// The session token: looks like a real one, and holds the character that some endpoints escape.
pub(crate) const TOKEN: &str = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ/t0k3n+==";
/// A registration as GitHub makes them: base64.
pub(crate) const REGISTRATION: &str =
    "eyJydW5uZXIiOiJhIHJlZ2lzdHJhdGlvbiB0aGF0IGlzIGEgc2VjcmV0In0=";
