//! What the money for a runner bought.

use mayfly_domain::model::id::{JobId, RunId};
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::{Runner, Timeline, Work};
use mayfly_domain::model::spend::Spend;
use mayfly_domain::model::time::Timestamp;
use proptest::prelude::*;

use crate::fixture::builders::{ago, requested};

fn ended(
    cost: u64,
    began: Option<Timestamp>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Runner {
    Runner {
        cost: Some(NanoDollars(cost)),
        work: began.map(|since| Work {
            run: RunId(1),
            attempt: 1,
            job: Some(JobId(1)),
            since,
        }),
        timeline: Timeline {
            pull_started: from,
            stopped: to,
            ..Timeline::default()
        },
        closed_at: Some(ago(0)),
        ..requested(1)
    }
}

fn spend(start_up: u64, work: u64, unused: u64) -> Option<Spend> {
    Some(Spend {
        start_up: NanoDollars(start_up),
        work: NanoDollars(work),
        unused: NanoDollars(unused),
    })
}

#[test]
fn a_runners_money_goes_to_its_start_its_work_or_nothing() {
    let times = (Some(ago(100)), Some(ago(0)));
    assert_eq!(
        ended(1_000, Some(ago(75)), times.0, times.1).spend(),
        spend(250, 750, 0)
    );
    assert_eq!(
        ended(1_000, None, times.0, times.1).spend(),
        spend(0, 0, 1_000),
        "it had no job"
    );
    assert_eq!(
        ended(1_000, Some(ago(75)), None, None).spend(),
        spend(0, 1_000, 0),
        "ECS told no times"
    );
    let open = Runner {
        cost: None,
        ..ended(0, Some(ago(75)), times.0, times.1)
    };
    assert_eq!(open.spend(), None);
}

proptest! {
    #[test]
    fn the_parts_sum_to_the_cost_whatever_the_clocks_say(
        cost: u64,
        began in prop::option::of(0u64..1000),
        from in prop::option::of(0u64..1000),
        to in prop::option::of(0u64..1000),
    ) {
        let runner = ended(cost, began.map(ago), from.map(ago), to.map(ago));
        prop_assert_eq!(runner.spend().map(Spend::total), Some(NanoDollars(cost)));
    }
}
