//! Stories: every event and every reason is kept as data, is read back as it was written, and has
//! its English.

use std::collections::BTreeSet;
use std::fmt::Display;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::story::{Note, Reason, StoryEvent, note};
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most lines of a story.
const MOST: usize = 40;

/// The word that a value is stored under.
fn kind(value: &impl Serialize) -> String {
    serde_json::to_value(value).unwrap()["kind"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// One line for each: as it is stored, and as it reads.
fn table<T: Serialize + DeserializeOwned + Display + PartialEq + std::fmt::Debug>(
    all: &[T],
) -> String {
    let line = |one: &T| {
        let stored = serde_json::to_string(one).unwrap();
        assert_eq!(
            serde_json::from_str::<T>(&stored).unwrap(),
            *one,
            "read back otherwise: {stored}"
        );
        format!("{stored}\n    {one}")
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The variants of an enum, as its source names them, in the case in which they are stored.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let body = source
        .split_once(&format!("pub enum {name} {{\n"))
        .unwrap()
        .1
        .split_once("\n}\n")
        .unwrap()
        .0;
    let named = body.lines().filter_map(|line| {
        line.strip_prefix("    ")
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    });
    let word = |line: &str| {
        line.split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap()
            .to_owned()
    };
    let snake = |word: String| {
        let letters =
            word.chars()
                .enumerate()
                .map(|(place, c)| match c.is_ascii_uppercase() && place > 0 {
                    true => format!("_{}", c.to_ascii_lowercase()),
                    false => c.to_ascii_lowercase().to_string(),
                });
        letters.collect::<String>()
    };
    named
        .map(word)
        .map(snake)
        .filter(|word| word != "other")
        .collect()
}

#[test]
fn every_event_is_stored_as_data_and_reads_as_a_sentence() {
    insta::assert_snapshot!(table(&crate::fixture::stories::events()));
}

#[test]
fn every_reason_is_stored_as_data_and_reads_as_a_sentence() {
    insta::assert_snapshot!(table(&crate::fixture::stories::reasons()));
}

#[test]
fn the_tables_above_leave_no_event_and_no_reason_out() {
    let told: BTreeSet<String> = crate::fixture::stories::events()
        .iter()
        .map(kind)
        .filter(|kind| kind != "defrosted")
        .collect();
    assert_eq!(
        told,
        variants(include_str!("../../src/model/story.rs"), "StoryEvent")
    );
    let told: BTreeSet<String> = crate::fixture::stories::reasons()
        .iter()
        .map(kind)
        .filter(|kind| kind != "thawed")
        .collect();
    assert_eq!(
        told,
        variants(include_str!("../../src/model/story/reason.rs"), "Reason")
    );
}

/// A function of the version before reads what the next one wrote while it is deployed.
#[test]
fn what_a_newer_version_wrote_does_not_keep_a_story_from_being_read() {
    let newer = r#"[
        {"at": 1, "kind": "queued"},
        {"at": 2, "kind": "defrosted", "degrees": [3, 4], "by": {"sun": true}},
        {"at": 3, "kind": "unplaced", "reason": {"kind": "too_cold"}},
        {"at": 4, "kind": "started", "runner": {"id": 5}}
    ]"#;
    let story: Vec<Note> = serde_json::from_str(newer).unwrap();
    let events: Vec<&StoryEvent> = story.iter().map(|note| &note.event).collect();
    let other = |kind: &str| StoryEvent::Other {
        kind: kind.to_owned(),
    };
    let unplaced = StoryEvent::Unplaced {
        reason: Reason::Other {
            kind: "too_cold".to_owned(),
        },
    };
    assert_eq!(
        events,
        [
            &StoryEvent::Queued,
            &other("defrosted"),
            &unplaced,
            &other("started")
        ]
    );
    assert_eq!(
        story[1].event.to_string(),
        "defrosted (an event that this version does not know)"
    );
    // Written back, it keeps its name.
    assert_eq!(kind(&story[1].event), "defrosted");
}

fn registering(job: i64) -> StoryEvent {
    StoryEvent::Registering {
        name: "mayfly-linux-1-1".to_owned(),
        job: JobId(job),
        repository: "acme/app".to_owned(),
    }
}

fn told(events: impl IntoIterator<Item = StoryEvent>) -> Vec<Note> {
    let mut story = Vec::new();
    for (at, event) in (0..).zip(events) {
        note(&mut story, Timestamp::from_millis(at), event);
    }
    story
}

#[test]
fn a_story_stays_bounded_and_keeps_its_beginning_and_its_end() {
    let (any, jobs) = (|_| StoryEvent::LaunchRepeated, |at| registering(at));
    for events in [
        (0..1000).map(any).collect::<Vec<_>>(),
        (0..1000).map(jobs).collect(),
    ] {
        let story = told(events);
        assert_eq!(story.len(), MOST);
        assert_eq!(
            (story[0].at.millis(), story[MOST - 1].at.millis()),
            (0, 999)
        );
        assert!(story.iter().map(|note| note.at).is_sorted());
        assert_eq!(
            (story[10].at.millis(), story[30].at.millis()),
            (10, 990),
            "its middle goes, neither the first lines nor the newest"
        );
    }
}

/// `mayfly explain` finds a job's runners by these lines.
#[test]
fn however_long_a_story_grows_it_tells_which_jobs_the_runner_registered_for() {
    let mut events = vec![StoryEvent::Requested {
        job: Some(JobId(1)),
    }];
    for round in 0..200 {
        events.push(registering(2 + i64::from(round == 100)));
        events.push(StoryEvent::RegistrationRefused {
            message: "no".to_owned(),
        });
    }
    let story = told(events);
    assert_eq!(story.len(), MOST);
    let jobs: BTreeSet<JobId> = story.iter().filter_map(|note| note.event.job()).collect();
    assert_eq!(jobs, [1, 2, 3].map(JobId).into_iter().collect());
}
