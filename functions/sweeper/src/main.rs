//! The Lambda function `sweeper`.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use mayfly_config::environment::{self, FunctionEnv};
use mayfly_config::parameter::Ssm;
use mayfly_config::store::{Parameters, Settings, system_clock};
use mayfly_ecs::Ecs;
use mayfly_github::Github;
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_queue::SqsWakes;
use mayfly_s3::Bucket;
use mayfly_sweeper::{Archive, Deps, Sweeper};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    mayfly_telemetry::init();
    let (base, app) = environment::read(|variables| {
        (
            FunctionEnv::read(variables),
            environment::app_parameter(variables),
        )
    })?;
    let config = mayfly_config::aws::sdk_config()?;
    let ledger = Ledger::new(Dynamo::new(
        aws_sdk_dynamodb::Client::new(&config),
        &base.table,
    ));
    let parameters = Parameters {
        pools: Some(base.pools_parameter),
        github_app: Some(app),
        ..Parameters::default()
    };
    let settings = Arc::new(Settings::new(
        Ssm::new(aws_sdk_ssm::Client::new(&config)),
        parameters,
        Box::new(system_clock),
    ));
    let archive = environment::archive_bucket().map(|bucket| Archive {
        bucket: Box::new(Bucket::new(&config, bucket)),
        prefix: base.stack,
    });
    let deps = Deps {
        ecs: Ecs::new(aws_sdk_ecs::Client::new(&config), base.cluster),
        github: Github::new(settings.github_app_reader(), system_clock),
        wakes: SqsWakes::new(aws_sdk_sqs::Client::new(&config), base.wake_queue_url),
        archive,
        clock: Box::new(system_clock),
    };
    let sweeper = &Sweeper::new(ledger, settings, deps);
    // What the schedule sends says nothing that a sweep needs.
    lambda_runtime::run(service_fn(
        |event: LambdaEvent<serde_json::Value>| async move {
            Box::pin(sweeper.sweep(&event.context.request_id))
                .await
                .map_err(Error::from)
        },
    ))
    .await
}
