//! Stories, as the table keeps them: numbers and nested values come back from DynamoDB's own form
//! as they went in.

use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::{Note, StoryEvent};
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{at, requested};

#[path = "../../../domain/tests/domain/fixture/stories.rs"]
mod all;

on_both! {
    every_event_and_every_reason_is_read_as_it_was_written
}

async fn every_event_and_every_reason_is_read_as_it_was_written<S: Store>(ledger: Ledger<S>) {
    let row = requested(&ledger, 1, None).await;
    let because = all::reasons()
        .into_iter()
        .map(|reason| StoryEvent::Ended { reason });
    let story: Vec<Note> = all::events()
        .into_iter()
        .chain(because)
        .map(|event| Note { at: at(7), event })
        .collect();
    let tell = |row: &Runner| {
        Some(Runner {
            story: story.clone(),
            ..row.clone()
        })
    };
    ledger.change_runner(&row.address(), tell).await.unwrap();
    assert_eq!(
        ledger.runner(&row.address()).await.unwrap().unwrap().story,
        story
    );
}
