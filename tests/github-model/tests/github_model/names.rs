//! Ids and names that GitHub never gives twice.

use crate::world::{LABELS, World, job};

#[test]
fn ids_go_on_after_a_reset() {
    let mut world = World::new();
    let job_id = world.queue(&job());
    world.online("one", &LABELS);
    let runner_id = world.runner("one").id;
    world.model.reset(world.now);
    assert_eq!(
        (
            world.model.jobs().count(),
            world.model.runners().count(),
            world.model.deliveries().count()
        ),
        (0, 0, 0)
    );
    let next = world.queue(&job());
    world.online("one", &LABELS);
    assert!(next > job_id && world.runner("one").id > runner_id);
}

#[test]
fn a_job_s_id_does_not_fit_into_32_bits() {
    let mut world = World::new();
    assert!(world.queue(&job()).0 > i64::from(u32::MAX));
}
