//! Jobs that GitHub runs again because AWS took their runner back.

use mayfly_domain::model::end::End;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::{Runner, Timeline};
use mayfly_domain::model::size::{Capacity, Size};
use mayfly_domain::model::story::{Reason, TaskEnd};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::transitions::changes::Changes;
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};
use mayfly_domain::transitions::interruption::at_work;

use crate::fixture::builders::{NOW, arn, busy};
use crate::fixture::deliveries::{pools, queued};

fn on_spot() -> Pools {
    let mut pools = pools();
    for pool in &mut pools.pools {
        pool.size.capacity = Capacity::Spot;
    }
    pools
}

/// The row decides what is launched, the record what its next row asks for.
#[test]
fn a_second_run_is_on_demand_in_its_record_and_in_its_row() {
    let pools = on_spot();
    let known = DeliverySnapshot {
        pools: &pools,
        record: None,
        runner: None,
    };
    let (_, first) = apply_delivery(&queued("a"), known);
    let capacities = |changes: &Changes| {
        let record = changes.record.as_ref().unwrap().size.unwrap().capacity;
        (record, changes.row().unwrap().size.capacity)
    };
    assert_eq!(capacities(&first), (Capacity::Spot, Capacity::Spot));
    let second = first.clone().on_demand(NOW);
    assert_eq!(
        capacities(&second),
        (Capacity::OnDemand, Capacity::OnDemand)
    );
    let wanted = Size {
        capacity: Capacity::OnDemand,
        ..pools.pools[0].size
    };
    assert_eq!(
        second.row().unwrap().size,
        wanted,
        "nothing else of its size has changed"
    );
}

/// It was ended because it may not run there.
#[test]
fn a_refused_job_whose_runner_aws_takes_back_is_not_run_again() {
    let runner = busy(1, 1, 7, Some(1));
    let task = Task {
        arn: arn(1),
        address: runner.address(),
        version: 9,
        status: TaskStatus::Stopped,
        timeline: Timeline::default(),
        end: TaskEnd {
            stop_code: Some("SpotInterruption".into()),
            ..TaskEnd::default()
        },
    };
    assert!(at_work(&runner, End::Stopped(&task)));
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..runner
    };
    assert!(!at_work(&refused, End::Stopped(&task)));
}
