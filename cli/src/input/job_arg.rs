//! A job as people name it: GitHub's id of it, or any of the URLs that GitHub shows.

use std::fmt;
use std::str::FromStr;

use mayfly_domain::model::id::JobId;

/// A job, and its repository where the name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobArg {
    /// The job.
    pub id: JobId,
    /// `owner/name`.
    pub repository: Option<String>,
}

impl fmt::Display for JobArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repository {
            Some(repository) => write!(f, "job {} of {repository}", self.id),
            None => write!(f, "job {}", self.id),
        }
    }
}

impl FromStr for JobArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(id) = number(text) {
            return Ok(Self {
                id,
                repository: None,
            });
        }
        let wrong = || {
            let or_run = if text.contains("/actions/runs/") {
                ": this is a run, open one of its jobs"
            } else {
                ""
            };
            format!(
                "pass a job's id or its URL, such as https://github.com/acme/app/actions/runs/15871/job/43821{or_run}"
            )
        };
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(wrong)?;
        // What follows says which step or attempt someone looked at.
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = path
            .split('/')
            .skip(1)
            .filter(|part| !part.is_empty())
            .collect();
        let parts = match parts.as_slice() {
            ["api", "v3", "repos", rest @ ..] | ["repos", rest @ ..] => rest,
            all => all,
        };
        let (owner, name, id) = match parts {
            [owner, name, "actions", "runs", _, "job" | "jobs", id]
            | [owner, name, "actions", "jobs", id] => (owner, name, id),
            [
                owner,
                name,
                "actions",
                "runs",
                _,
                "attempts",
                _,
                "job" | "jobs",
                id,
            ] => (owner, name, id),
            // The check run of a job has the job's id.
            [owner, name, "runs" | "check-runs", id] => (owner, name, id),
            _ => return Err(wrong()),
        };
        Ok(Self {
            id: number(id).ok_or_else(wrong)?,
            repository: Some(format!("{owner}/{name}")),
        })
    }
}

fn number(text: &str) -> Option<JobId> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id > 0).map(JobId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_urls_name_a_job() {
        assert_eq!(
            "43821".parse(),
            Ok(JobArg {
                id: JobId(43821),
                repository: None
            })
        );
        for url in [
            "https://github.com/acme/app/actions/runs/15871/job/43821",
            "https://github.com/acme/app/actions/runs/15871/job/43821?pr=7#step:3:1",
            "https://github.com/acme/app/actions/runs/15871/attempts/2/job/43821/",
            "https://github.com/acme/app/runs/43821",
            "https://api.github.com/repos/acme/app/actions/jobs/43821",
            "https://github.example.com/api/v3/repos/acme/app/actions/jobs/43821",
            " http://127.0.0.1:4000/acme/app/actions/runs/1/jobs/43821 ",
        ] {
            assert_eq!(
                url.parse(),
                Ok(JobArg {
                    id: JobId(43821),
                    repository: Some("acme/app".into())
                }),
                "{url}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "0",
            "-1",
            "+5",
            "1.5",
            "abc",
            "99999999999999999999",
            "https://github.com/acme/app",
            "acme/app/actions/runs/1/job/2",
        ] {
            let said = text.parse::<JobArg>().unwrap_err();
            assert!(
                said.contains("https://github.com/acme/app/actions/runs/15871/job/43821"),
                "{text}: {said}"
            );
        }
        let run = "https://github.com/acme/app/actions/runs/15871"
            .parse::<JobArg>()
            .unwrap_err();
        assert!(
            run.ends_with("this is a run, open one of its jobs"),
            "{run}"
        );
    }
}
