//! A delivery before anything in it is believed: its bytes, its signature, its content type.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mayfly_domain::model::signature::{SignatureError, WebhookSecret, verify};
use percent_encoding::percent_decode_str;

use crate::answer::Answer;
use crate::request::Request;

/// Most bytes of a body. GitHub sends up to 25 MB, but of the events that are used here the
/// largest, `completed` with hundreds of steps, has some 100 KB.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// The header with the signature, in lower case as all of them.
pub(crate) const SIGNATURE: &str = "x-hub-signature-256";

/// How GitHub was told to send the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`: the payload is the body.
    Json,
    /// `application/x-www-form-urlencoded`: the payload is the field `payload`.
    Form,
}

/// The raw bytes that GitHub signed.
pub(crate) fn raw_body(request: &Request) -> Result<Cow<'_, [u8]>, Answer> {
    let text = request.body.as_deref().unwrap_or_default();
    let body = if request.is_base64_encoded {
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| Answer::malformed("the body is marked as base64 and is not"))?;
        Cow::Owned(bytes)
    } else {
        Cow::Borrowed(text.as_bytes())
    };
    if body.len() > MAX_BODY {
        return Err(Answer::too_large("the body is larger than 1 MiB"));
    }
    Ok(body)
}

/// Refuses what cannot be right whatever the secret is: for that no secret need be read.
pub(crate) fn refuse_unsigned(request: &Request) -> Result<(), Answer> {
    match verify(&[], request.header(SIGNATURE), &[]) {
        Err(problem @ (SignatureError::Missing | SignatureError::Malformed)) => {
            Err(unsigned(problem))
        }
        _ => Ok(()),
    }
}

/// Refuses what was not signed with one of these secrets.
pub(crate) fn refuse_wrongly_signed(
    request: &Request,
    body: &[u8],
    secrets: &[WebhookSecret],
) -> Result<(), Answer> {
    verify(secrets, request.header(SIGNATURE), body).map_err(unsigned)
}

fn unsigned(problem: SignatureError) -> Answer {
    Answer::unsigned(problem.to_string())
}

/// `X-GitHub-Delivery`, the one thing of a delivery that is not signed: kept only if it has the
/// form that GitHub gives it, a UUID.
pub(crate) fn guid(request: &Request) -> Result<&str, Answer> {
    let guid = request.header("x-github-delivery").unwrap_or_default();
    if guid.is_empty() {
        return Err(Answer::malformed("the X-GitHub-Delivery header is missing"));
    }
    if is_uuid(guid) {
        Ok(guid)
    } else {
        Err(Answer::malformed(
            "the X-GitHub-Delivery header is not a UUID",
        ))
    }
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits (RFC 9562, 4).
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads `Content-Type`; parameters such as the charset do not matter.
pub(crate) fn format(request: &Request) -> Result<Format, Answer> {
    let media = request
        .header("content-type")
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if media.eq_ignore_ascii_case("application/json") {
        Ok(Format::Json)
    } else if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Format::Form)
    } else {
        Err(Answer::unsupported(
            "the content type is neither application/json nor application/x-www-form-urlencoded",
        ))
    }
}

/// The payload's JSON text.
pub(crate) fn payload(body: &[u8], format: Format) -> Result<Cow<'_, [u8]>, Answer> {
    if format == Format::Json {
        return Ok(Cow::Borrowed(body));
    }
    let fields =
        std::str::from_utf8(body).map_err(|_| Answer::malformed("the form is not UTF-8"))?;
    let value = fields
        .split('&')
        .find_map(|field| field.strip_prefix("payload="));
    let value = value.ok_or_else(|| Answer::malformed("the form has no field payload"))?;
    // In a form a space is a plus; a plus is %2B.
    Ok(Cow::Owned(
        percent_decode_str(&value.replace('+', " ")).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: Option<&str>, body: &str, is_base64_encoded: bool) -> Request {
        let headers = content_type
            .map(|value| ("Content-Type".to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        Request {
            headers,
            body: Some(body.to_owned()),
            is_base64_encoded,
        }
    }

    #[test]
    fn content_type_is_read_whatever_its_case_and_parameters() {
        for (value, expected) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=utf-8", Format::Json),
            ("application/x-www-form-urlencoded", Format::Form),
            (
                "application/x-www-form-urlencoded ;charset=UTF-8",
                Format::Form,
            ),
        ] {
            assert_eq!(
                format(&request(Some(value), "", false)),
                Ok(expected),
                "{value}"
            );
        }
        for value in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/jsonx"),
            Some("multipart/form-data"),
        ] {
            assert_eq!(
                format(&request(value, "", false)).unwrap_err().status,
                415,
                "{value:?}"
            );
        }
    }

    #[test]
    fn the_size_that_counts_is_that_of_the_decoded_body() {
        let full = "x".repeat(MAX_BODY);
        assert_eq!(
            raw_body(&request(None, &full, false)).unwrap().len(),
            MAX_BODY
        );
        assert_eq!(
            raw_body(&request(None, &STANDARD.encode(&full), true))
                .unwrap()
                .len(),
            MAX_BODY
        );
        let over = format!("{full}x");
        assert_eq!(
            raw_body(&request(None, &over, false)).unwrap_err().status,
            413
        );
        assert_eq!(
            raw_body(&request(None, &STANDARD.encode(&over), true))
                .unwrap_err()
                .status,
            413
        );
    }

    #[test]
    fn bad_base64_is_refused() {
        assert_eq!(
            raw_body(&request(None, "{}", true)).unwrap_err().status,
            400
        );
    }

    #[test]
    fn a_form_is_decoded() {
        let decoded = |form: &str| {
            payload(form.as_bytes(), Format::Form)
                .map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
        };
        assert_eq!(
            decoded("payload=%7B%22a%22%3A+%221%2B1%22%7D").unwrap(),
            r#"{"a": "1+1"}"#
        );
        assert_eq!(decoded("x=1&payload=%C3%A4&y=2").unwrap(), "ä");
        assert_eq!(decoded("payloads=1").unwrap_err().status, 400);
        assert_eq!(
            payload(b"payload=\xff", Format::Form).unwrap_err().status,
            400
        );
    }
}
