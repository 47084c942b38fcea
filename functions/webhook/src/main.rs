//! The Lambda function `webhook`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use mayfly_config::environment::{self, FunctionEnv};
use mayfly_config::parameter::Ssm;
use mayfly_config::store::{Parameters, Settings, system_clock};
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_queue::SqsWakes;
use mayfly_webhook::{Deps, Request, Webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    mayfly_telemetry::init();
    let (base, secret) = environment::read(|variables| {
        (
            FunctionEnv::read(variables),
            environment::webhook_secret_parameter(variables),
        )
    })?;
    let config = mayfly_config::aws::sdk_config()?;
    let ledger = Ledger::new(Dynamo::new(
        aws_sdk_dynamodb::Client::new(&config),
        &base.table,
    ));
    let parameters = Parameters {
        pools: Some(base.pools_parameter),
        webhook_secret: Some(secret),
        ..Parameters::default()
    };
    let settings = Settings::new(
        Ssm::new(aws_sdk_ssm::Client::new(&config)),
        parameters,
        Box::new(system_clock),
    );
    let deps = Deps {
        wakes: SqsWakes::new(aws_sdk_sqs::Client::new(&config), base.wake_queue_url),
        clock: Box::new(system_clock),
    };
    let webhook = &Webhook::new(ledger, settings, deps);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
        Ok::<_, Error>(webhook.answer(&event.payload).await)
    }))
    .await
}
