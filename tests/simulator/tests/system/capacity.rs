//! The world outside gives a certain amount and no more. What load turns away is served all the
//! same, and nothing else goes wrong in these stories.

use mayfly_dynamodb_model::Throughput;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{Capacity, Start, System};

use crate::start::{begin, check_counts, done, jobs, pool_with, queue_one, rest};

/// Who was turned away so far.
fn turned_away(system: &System) -> Vec<&'static str> {
    system.world.turned_away().into_keys().collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_small_account_turns_away_under_load_is_served_all_the_same() {
    let system = Start::seeded(40)
        .pools(&pool_with("max = 60"))
        .begin()
        .unwrap();
    system.world.gives(Capacity {
        invocations: 8,
        narrower: 40,
        table: Throughput {
            reads: 60,
            writes: 30,
        },
    });
    let first = queue_one(&system);
    done(&system, 600, &[first]).await;
    assert_eq!(turned_away(&system), [""; 0], "one job is no load");
    let jobs = system.queue_jobs(&NewJob {
        seconds: 60.0,
        ..jobs(80)
    });
    done(&system, 3_600, &jobs).await;
    rest(&system, 600).await;
    check_counts(&system, 60, 81);
    let turned_away = turned_away(&system);
    for place in ["/webhook", "registrar", "webhook", "table"] {
        assert!(
            turned_away.contains(&place),
            "{place} turned nobody away: {turned_away:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn six_hundred_deliveries_at_once_are_more_than_the_front_door_lets_in_and_all_are_made() {
    let system = begin(41);
    let jobs = system.queue_jobs(&jobs(600));
    system.pass(5).await;
    let refused = system.world.turned_away()["/webhook"];
    assert!((90..=100).contains(&refused), "{refused}");
    done(&system, 7_200, &jobs).await;
    rest(&system, 600).await;
}
