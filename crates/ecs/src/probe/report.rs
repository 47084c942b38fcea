//! What a probe printed and how it ended, read back. `runner/probe.sh` describes the lines.

use std::net::IpAddr;

use serde::Deserialize;

/// What a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The image.
    pub image: Image,
    /// What was to answer, by its name, in the order in which it was asked.
    pub reached: Vec<(String, Exchange)>,
    /// The task's credentials.
    pub credentials: Option<Credentials>,
    /// The endpoint for registration.
    pub registration: Option<Registered>,
    /// It met its own time limit.
    pub late: bool,
    /// It came to its end: nothing is missing.
    pub complete: bool,
}

/// What the image has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// curl's version.
    pub curl: Option<String>,
    /// It sends requests through a proxy.
    pub proxy: bool,
    /// What it lacks that a runner needs, in words.
    pub lacks: Vec<String>,
    /// What the runner says its version is: `none` if there is no runner.
    pub runner: Option<String>,
}

/// The task's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// There are some.
    Good,
    /// The task has no role.
    None,
    /// The endpoint gave none.
    Failed {
        /// curl's exit status.
        curl: u8,
        /// The HTTP status, 0 without an answer.
        status: u16,
    },
}

/// What the endpoint for registration said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// How the request went.
    pub exchange: Exchange,
    /// It was Mayfly that answered, and not someone before it.
    pub mayfly: bool,
    /// The beginning of the answer.
    pub body: String,
}

impl Registered {
    /// True if Mayfly answered that there is no such runner any more: what it has to say to a
    /// probe, whose runner does not exist.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        #[derive(Deserialize)]
        struct Body {
            outcome: String,
        }
        let read = serde_json::from_str::<Body>(&self.body);
        self.mayfly
            && self.exchange.status == 403
            && read.is_ok_and(|body| body.outcome == "closed")
    }
}

/// How one request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// curl's exit status.
    pub curl: u8,
    /// The HTTP status, 0 without an answer.
    pub status: u16,
    /// Whom it was connected to: the proxy, where there is one.
    pub address: Option<IpAddr>,
    /// Its name was found.
    pub named: bool,
    /// It was connected.
    pub connected: bool,
    /// TLS was ready.
    pub tls: bool,
}

/// An answer, or what kept one away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// With this HTTP status.
    Status(u16),
    /// Not at all.
    Not(ConnectFailure),
}

/// What keeps an answer away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The name did not resolve, or not in time.
    Name,
    /// Someone refused the connection, or no way leads there.
    Refused,
    /// The connection timed out.
    Unanswered,
    /// TLS failed: a certificate that the image does not trust, or someone between.
    Tls,
    /// Connected, and then nothing in time.
    Silent,
    /// Connected, and then cut off, or answered by what is no HTTP.
    Broken,
    /// curl's exit status tells something else.
    Other(u8),
}

impl Exchange {
    /// The answer, or why there is none. Source of the numbers: curl's manual, exit codes.
    #[must_use]
    pub fn answered(&self) -> Answered {
        Answered::Not(match self.curl {
            0 if self.status > 0 => return Answered::Status(self.status),
            5 | 6 => ConnectFailure::Name,
            7 => ConnectFailure::Refused,
            28 if !self.named => ConnectFailure::Name,
            28 if !self.connected => ConnectFailure::Unanswered,
            28 => ConnectFailure::Silent,
            35 | 51 | 53 | 54 | 58 | 59 | 60 | 77 | 80 | 83 | 90 | 91 => ConnectFailure::Tls,
            0 | 1 | 18 | 52 | 55 | 56 => ConnectFailure::Broken,
            other => ConnectFailure::Other(other),
        })
    }
}

/// What an exit code says is wrong, where the lines are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// The image lacks something.
    pub image: bool,
    /// Something does not answer that must.
    pub reach: bool,
    /// The task has no credentials.
    pub credentials: bool,
    /// The endpoint for registration does not answer as it should.
    pub registration: bool,
}

impl Wrong {
    /// Reads a probe's exit code; none if no probe ends with it.
    #[must_use]
    pub fn of(exit_code: i32) -> Option<Self> {
        let bits = match exit_code {
            0 => 0,
            65..=79 => exit_code - 64,
            _ => return None,
        };
        let has = |bit: i32| bits & bit != 0;
        Some(Self {
            image: has(1),
            reach: has(2),
            credentials: has(4),
            registration: has(8),
        })
    }
}

impl Report {
    /// Reads the lines that begin with a probe's mark; all others are not its. A line that makes no
    /// sense is left out: of what it was to say nothing is known.
    pub fn read<'a>(mark: &str, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut report = Self::default();
        for line in lines {
            if let Some(said) = line
                .strip_prefix(mark)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                report.parse_line(said.trim_end());
            }
        }
        report
    }

    fn parse_line(&mut self, said: &str) {
        let (what, rest) = said.split_once(' ').unwrap_or((said, ""));
        match what {
            "image" => self.image.parse_line(rest),
            "reach" => {
                let Some((name, rest)) = rest.split_once(' ') else {
                    return;
                };
                let exchange = fields(rest, 6)
                    .and_then(|fields| Exchange::read(fields[0], fields[1], &fields[2..6]));
                // CloudWatch may have a line twice.
                if let Some(exchange) =
                    exchange.filter(|_| self.reached.iter().all(|(known, _)| known != name))
                {
                    self.reached.push((name.to_owned(), exchange));
                }
            }
            "credentials" => self.credentials = Credentials::read(rest).or(self.credentials.take()),
            "registration" => {
                self.registration = Registered::read(rest).or(self.registration.take())
            }
            "late" => self.late = true,
            "end" => self.complete = true,
            _ => {}
        }
    }
}

impl Image {
    fn parse_line(&mut self, said: &str) {
        match said.split_once(' ') {
            Some(("curl", version)) => self.curl = Some(version.to_owned()),
            Some(("proxy", _)) => self.proxy = true,
            Some(("lacks", what)) if !self.lacks.iter().any(|known| known == what) => {
                self.lacks.push(what.to_owned())
            }
            Some(("runner", version)) => self.runner = Some(version.to_owned()),
            _ => {}
        }
    }
}

impl Credentials {
    fn read(said: &str) -> Option<Self> {
        match said {
            "good" => Some(Self::Good),
            "none" => Some(Self::None),
            _ => {
                let fields = fields(said.strip_prefix("failed ")?, 2)?;
                Some(Self::Failed {
                    curl: fields[0].parse().ok()?,
                    status: fields[1].parse().ok()?,
                })
            }
        }
    }
}

impl Registered {
    fn read(said: &str) -> Option<Self> {
        let fields = fields(said, 7)?;
        let exchange = Exchange::read(fields[0], fields[1], &fields[3..7])?;
        Some(Self {
            exchange,
            mayfly: fields[2] == "1",
            body: fields.get(7).copied().unwrap_or_default().to_owned(),
        })
    }
}

impl Exchange {
    fn read(curl: &str, status: &str, peer: &[&str]) -> Option<Self> {
        let [address, named, connected, tls] = peer else {
            return None;
        };
        let took = |seconds: &str| seconds.parse::<f64>().ok().map(|seconds| seconds > 0.0);
        let address = address.parse().ok();
        Some(Self {
            curl: curl.parse().ok()?,
            status: status.parse().ok()?,
            address,
            named: took(named)?,
            // While TLS is not ready some versions of curl say no time for the connection, but with
            // whom it is.
            connected: took(connected)? || address.is_some(),
            tls: took(tls)?,
        })
    }
}

/// So many fields, with one blank between, and what follows them as one more.
fn fields(text: &str, count: usize) -> Option<Vec<&str>> {
    let fields: Vec<&str> = text.splitn(count + 1, ' ').collect();
    (fields.len() >= count).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
mayfly-probe/1 image bash 5.2.21(1)-release
mayfly-probe/1 image curl 8.5.0
mayfly-probe/1 reach api 0 200 140.82.121.6 0.004 0.021 0.055
mayfly-probe/1 credentials good
mayfly-probe/1 registration 0 403 1 18.66.2.1 0.003 0.010 0.030 {\"outcome\":\"closed\",\"reason\":\"this runner is closed\"}
mayfly-probe/1 image runner 2.338.1
mayfly-probe/1 end 0";

    fn read(text: &str) -> Report {
        Report::read("mayfly-probe/1", text.lines())
    }

    #[test]
    fn a_report_is_read() {
        let report = read(GOOD);
        let exchange = Exchange {
            curl: 0,
            status: 200,
            address: Some("140.82.121.6".parse().unwrap()),
            named: true,
            connected: true,
            tls: true,
        };
        assert_eq!(report.reached, [("api".to_owned(), exchange)]);
        let registration = report.registration.unwrap();
        assert_eq!(
            (registration.mayfly, registration.exchange.status),
            (true, 403)
        );
        assert_eq!(
            registration.body,
            r#"{"outcome":"closed","reason":"this runner is closed"}"#
        );
        assert_eq!(
            (report.image.curl.as_deref(), report.image.runner.as_deref()),
            (Some("8.5.0"), Some("2.338.1"))
        );
        assert_eq!(
            (report.credentials, report.late, report.complete),
            (Some(Credentials::Good), false, true)
        );
    }

    #[test]
    fn nothing_but_the_probes_own_lines_counts() {
        for foreign in [
            GOOD.replace("mayfly-probe/1 ", "mayfly-probe/2 "),
            GOOD.replace("mayfly-probe/1 ", "mayfly-probe/11 "),
            GOOD.replace("mayfly-probe/1 ", " mayfly-probe/1 "),
            GOOD.replace("mayfly-probe/1 ", "mayfly-probe/1"),
        ] {
            assert_eq!(read(&foreign), Report::default(), "{foreign}");
        }
    }

    #[test]
    fn lines_twice_are_lines_once() {
        let twice =
            format!("{GOOD}\n{GOOD}\nmayfly-probe/1 image lacks rm\nmayfly-probe/1 image lacks rm");
        let report = read(&twice);
        assert_eq!(
            (report.reached.len(), report.image.lacks),
            (1, vec!["rm".to_owned()])
        );
    }

    #[test]
    fn lines_that_make_no_sense_say_nothing() {
        for line in [
            "",
            "nonsense",
            "image",
            "image curl",
            "reach",
            "reach api",
            "reach api 0 200 - 0 0",
            "reach api x 200 - 0 0 0",
            "reach api 0 200 - 0 0 soon",
            "reach api 300 200 - 0 0 0",
            "credentials",
            "credentials bad",
            "credentials failed 7",
            "credentials failed 7 -1",
            "registration",
            "registration 0 403 1 - 0 0",
            "registration 0 70000 1 - 0 0 0 x",
        ] {
            assert_eq!(
                read(&format!("mayfly-probe/1 {line}")),
                Report::default(),
                "{line}"
            );
        }
    }

    #[test]
    fn an_answer_may_be_missing_and_an_address_too() {
        let report = read("mayfly-probe/1 registration 28 000 - - 0.004 0.000000 0.000000 ");
        let registration = report.registration.unwrap();
        assert_eq!(
            (
                registration.mayfly,
                registration.exchange.address,
                registration.body.as_str()
            ),
            (false, None, "")
        );
        assert_eq!(
            registration.exchange.answered(),
            Answered::Not(ConnectFailure::Unanswered)
        );
        let failed = read("mayfly-probe/1 credentials failed 0 500").credentials;
        assert_eq!(
            failed,
            Some(Credentials::Failed {
                curl: 0,
                status: 500
            })
        );
    }

    #[test]
    fn curls_exit_status_and_how_far_it_came_tell_what_is_wrong() {
        let far = |curl, named, connected, tls| {
            Exchange {
                curl,
                status: 0,
                address: None,
                named,
                connected,
                tls,
            }
            .answered()
        };
        for (curl, (named, connected, tls), trouble) in [
            (6, (false, false, false), ConnectFailure::Name),
            (5, (false, false, false), ConnectFailure::Name),
            (28, (false, false, false), ConnectFailure::Name),
            (7, (true, false, false), ConnectFailure::Refused),
            (28, (true, false, false), ConnectFailure::Unanswered),
            (28, (true, true, false), ConnectFailure::Silent),
            (28, (true, true, true), ConnectFailure::Silent),
            (35, (true, true, false), ConnectFailure::Tls),
            (60, (true, true, false), ConnectFailure::Tls),
            (52, (true, true, true), ConnectFailure::Broken),
            (0, (true, true, true), ConnectFailure::Broken),
            (2, (false, false, false), ConnectFailure::Other(2)),
        ] {
            assert_eq!(
                far(curl, named, connected, tls),
                Answered::Not(trouble),
                "{curl}"
            );
        }
        let answered = Exchange {
            curl: 0,
            status: 404,
            address: None,
            named: true,
            connected: true,
            tls: true,
        };
        assert_eq!(answered.answered(), Answered::Status(404));
    }

    #[test]
    fn exit_codes_say_enough_without_the_lines() {
        assert_eq!(Wrong::of(0), Some(Wrong::default()));
        assert_eq!(
            Wrong::of(65),
            Some(Wrong {
                image: true,
                ..Wrong::default()
            })
        );
        assert_eq!(
            Wrong::of(64 + 2 + 8),
            Some(Wrong {
                reach: true,
                registration: true,
                ..Wrong::default()
            })
        );
        assert_eq!(
            Wrong::of(79),
            Some(Wrong {
                image: true,
                reach: true,
                credentials: true,
                registration: true
            })
        );
        for other in [1, 64, 80, 127, 137, 143, 255, -1] {
            assert_eq!(Wrong::of(other), None, "{other}");
        }
    }
}
