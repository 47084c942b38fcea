//! The Lambda function `dashboard`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use mayfly_config::environment::{self, FunctionEnv};
use mayfly_config::parameter::Ssm;
use mayfly_config::store::{Parameters, Settings, system_clock};
use mayfly_dashboard::Dashboard;
use mayfly_ledger::{Dynamo, Ledger};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    mayfly_telemetry::init();
    let base = environment::read(FunctionEnv::read)?;
    let config = mayfly_config::aws::sdk_config()?;
    let ledger = Ledger::new(Dynamo::new(
        aws_sdk_dynamodb::Client::new(&config),
        &base.table,
    ));
    let parameters = Parameters {
        pools: Some(base.pools_parameter),
        ..Parameters::default()
    };
    let settings = Settings::new(
        Ssm::new(aws_sdk_ssm::Client::new(&config)),
        parameters,
        Box::new(system_clock),
    );
    let dashboard = &Dashboard::new(ledger, settings, Box::new(system_clock));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(dashboard.answer(&event.payload).await)
    }))
    .await
}
