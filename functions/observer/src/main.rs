//! The Lambda function `observer`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use mayfly_config::environment::{self, FunctionEnv};
use mayfly_config::store::system_clock;
use mayfly_ecs::Ecs;
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_observer::{Deps, Event, Observer};
use mayfly_queue::SqsWakes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    mayfly_telemetry::init();
    let base = environment::read(FunctionEnv::read)?;
    let config = mayfly_config::aws::sdk_config()?;
    let ledger = Ledger::new(Dynamo::new(
        aws_sdk_dynamodb::Client::new(&config),
        &base.table,
    ));
    let deps = Deps {
        ecs: Ecs::new(aws_sdk_ecs::Client::new(&config), base.cluster),
        wakes: SqsWakes::new(aws_sdk_sqs::Client::new(&config), base.wake_queue_url),
        clock: Box::new(system_clock),
    };
    let observer = &Observer::new(ledger, deps);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| async move {
        observer.handle(event.payload).await.map_err(Error::from)
    }))
    .await
}
