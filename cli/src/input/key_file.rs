//! Secrets that are handed in: by a file or by stdin, never by an argument.

use std::io::Read as _;
use std::path::Path;

use mayfly_domain::model::secret::Secret;

use crate::failure::Failure;

/// Means stdin in place of a file.
const STDIN: &str = "-";

/// A key is 1.7 KB, its parameter holds 4: what is larger is another file.
const LARGEST: u64 = 16 << 10;

/// Fewer characters than this can be guessed by someone who saw one signed delivery.
const SHORTEST: usize = 16;

/// True if the file means stdin.
#[must_use]
pub fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == STDIN
}

/// An App's private key.
///
/// # Errors
///
/// If it cannot be read, or is not in PEM form. Nothing of it is quoted.
pub fn read(file: &Path) -> Result<Secret, Failure> {
    let shown = file.display();
    let mut text = String::new();
    let read = if is_stdin(file) {
        std::io::stdin()
            .lock()
            .take(LARGEST)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::new(
            format!("could not read the private key {shown}: {error}"),
            "name the .pem file that GitHub gave you",
        )
    })?;
    key(&text).ok_or_else(|| {
        Failure::new(
            format!("{shown} is not an RSA private key in PEM form"),
            "name the .pem file that GitHub gave you, whole and unchanged",
        )
    })
}

/// The key in a text, without what is around it.
fn key(text: &str) -> Option<Secret> {
    let text = text.trim();
    let framed = |kind: &str| {
        text.starts_with(&format!("-----BEGIN {kind}-----"))
            && text.ends_with(&format!("-----END {kind}-----"))
    };
    // GitHub's own are PKCS #1; anyone who keeps keys elsewhere may have made PKCS #8 of it.
    // Encrypted ones are neither.
    (framed("RSA PRIVATE KEY") || framed("PRIVATE KEY")).then(|| Secret::new(format!("{text}\n")))
}

/// A webhook's secret: one line of stdin.
///
/// # Errors
///
/// If there is none, or it is too short.
pub fn secret_from_stdin() -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(LARGEST)
        .read_to_string(&mut text);
    read.map_err(|error| {
        Failure::new(
            format!("could not read the webhook's secret from stdin: {error}"),
            "",
        )
    })?;
    webhook_secret(&text)
}

fn webhook_secret(text: &str) -> Result<Secret, Failure> {
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.contains(['\r', '\n']) {
        return Err(Failure::new(
            "the webhook's secret on stdin has more than one line",
            "pass it alone, as printf %s does",
        ));
    }
    if secret.chars().count() < SHORTEST {
        return Err(Failure::new(
            format!("the webhook's secret on stdin has fewer than {SHORTEST} characters"),
            "omit --webhook-secret-stdin to have mayfly make one",
        ));
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_the_forms_that_sign() {
        for kind in ["RSA PRIVATE KEY", "PRIVATE KEY"] {
            let pem = format!("-----BEGIN {kind}-----\nhush\n-----END {kind}-----");
            let read = key(&format!("\n  {pem}\r\n")).unwrap();
            assert_eq!(read.expose(), format!("{pem}\n"));
        }
    }

    #[test]
    fn what_is_no_private_key_is_not_taken() {
        for text in [
            "",
            "hush",
            "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\ncut off",
        ] {
            assert_eq!(key(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let failure = read(Path::new("/nowhere/app.pem")).unwrap_err();
        assert!(failure.problem.contains("/nowhere/app.pem"), "{failure}");
    }

    #[test]
    fn a_webhook_secret_is_one_long_line() {
        assert_eq!(
            webhook_secret("0123456789abcdef\n").unwrap().expose(),
            "0123456789abcdef"
        );
        for text in ["", "\n", "short", "0123456789abcdef\nmore"] {
            let failure = webhook_secret(text).unwrap_err();
            assert!(
                text.trim().is_empty() || !failure.to_string().contains(text.trim()),
                "{failure}"
            );
        }
    }
}
