//! The Lambda function `scaler`.

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::Client as DynamoDb;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use mayfly_config::environment::{self, FunctionEnv, LaunchEnv};
use mayfly_config::parameter::Ssm;
use mayfly_config::store::{Parameters, Settings, system_clock};
use mayfly_domain::model::id::RunnerId;
use mayfly_ecs::Ecs;
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_queue::SqsWakes;
use mayfly_scaler::{Deps, Scaler, launch_config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    mayfly_telemetry::init();
    let (base, launch) =
        environment::read(|variables| (FunctionEnv::read(variables), LaunchEnv::read(variables)))?;
    let config = mayfly_config::aws::sdk_config()?;
    let ledger = Ledger::new(Dynamo::new(DynamoDb::new(&config), &base.table));
    let parameters = Parameters {
        pools: Some(base.pools_parameter.clone()),
        ..Parameters::default()
    };
    let settings = Settings::new(
        Ssm::new(aws_sdk_ssm::Client::new(&config)),
        parameters,
        Box::new(system_clock),
    );
    let deps = Deps {
        ecs: Ecs::new(aws_sdk_ecs::Client::new(&config), base.cluster.clone()),
        wakes: SqsWakes::new(
            aws_sdk_sqs::Client::new(&config),
            base.wake_queue_url.clone(),
        ),
        site: launch_config(base, launch),
        clock: Box::new(system_clock),
        new_id: Box::new(|| RunnerId::from_ulid(ulid::Ulid::generate().0)),
    };
    let scaler = &Scaler::new(ledger, settings, deps);
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Error>(scaler.handle(event.payload).await)
    }))
    .await
}
