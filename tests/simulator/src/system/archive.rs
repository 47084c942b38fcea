//! S3 as sweeper reaches it: a bucket that remembers what was stored, with the faults between.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use mayfly_s3::{NotStored, PutObject};
use mayfly_sweeper::Archive;

use super::System;
use super::calls::{Made, SILENCE};
use super::event::CallOutcome;
use super::faults::{CallFault, Port};
use super::world::World;

/// What the bucket has, by key.
pub(super) type Objects = BTreeMap<String, Vec<u8>>;

struct Bucket(Arc<World>);

/// Where sweeper archives, if the story has an archive.
pub(super) fn archive(world: &Arc<World>) -> Option<Archive> {
    world.archive.as_ref().map(|_| Archive {
        bucket: Box::new(Bucket(Arc::clone(world))),
        prefix: "mayfly".to_owned(),
    })
}

#[async_trait]
impl PutObject for Bucket {
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), NotStored> {
        let world = &self.0;
        world.count("sweeper", "S3 PutObject");
        let leaving = world.leaves("sweeper", Port::Archive, "PutObject", || key.to_owned());
        let (there, name) = (Arc::clone(world), key.to_owned());
        let work = async move {
            there.travel().await;
            there.store(name, body);
        };
        let (call_fault, seen) = match leaving.make(work).await {
            Made::Well(()) => {
                leaving.note(|| {
                    leaving.call_fault.map_or(CallOutcome::Done, |call_fault| {
                        CallOutcome::Faulted(call_fault, "stored")
                    })
                });
                return Ok(());
            }
            Made::Not(call_fault) => (call_fault, "not stored"),
            Made::Unheard(call_fault, ()) => (call_fault, "not known to be stored"),
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, seen));
        if matches!(call_fault, CallFault::HangBefore | CallFault::HangAfter) {
            tokio::time::sleep(SILENCE).await;
        }
        Err(NotStored {
            key: key.to_owned(),
            reason: "503 SlowDown (faults)".to_owned(),
        })
    }
}

impl World {
    fn store(&self, key: String, body: Vec<u8>) {
        if let Some(bucket) = &self.archive {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.insert(key, body);
        }
    }
}

impl System {
    /// What the archive's bucket has: the text of each object by its key.
    #[must_use]
    pub fn archived(&self) -> BTreeMap<String, String> {
        let bucket = self.world.archive.as_ref();
        let bucket = bucket.map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner));
        let objects = bucket.iter().flat_map(|objects| objects.iter());
        objects
            .map(|(key, body)| (key.clone(), String::from_utf8_lossy(body).into_owned()))
            .collect()
    }
}
