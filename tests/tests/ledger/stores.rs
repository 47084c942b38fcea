//! Where the ledger is kept in a test: in the model, or in a table of its own on DynamoDB's API.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex, Projection, ProjectionType, TimeToLiveSpecification};
use mayfly_ledger::{Dynamo, Ledger};
use mayfly_tests::ledger::{Handle, Model, Unkindness};

use crate::emulator::endpoint;
use crate::template::Schema;

/// A table in memory, with small pages: whoever queries has to turn them.
pub(crate) fn model() -> Ledger<Handle> {
    let model = Model::new();
    model.treat(Unkindness { page: Some(3), ..Unkindness::default() });
    model.ledger("test")
}

/// A table on DynamoDB's API, made as the template makes it.
pub(crate) async fn dynamodb() -> Ledger<Dynamo> {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let endpoint = tokio::task::spawn_blocking(endpoint).await.unwrap();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    let table = format!("ledger-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let schema = Schema::read();
    let index = GlobalSecondaryIndex::builder()
        .index_name(schema.index)
        .set_key_schema(Some(schema.index_keys))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let create = client.create_table().table_name(&table).billing_mode(BillingMode::PayPerRequest);
    let create = create.set_attribute_definitions(Some(schema.attributes)).set_key_schema(Some(schema.keys));
    create.global_secondary_indexes(index.build().unwrap()).send().await.unwrap();
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(schema.ttl).build().unwrap();
    client.update_time_to_live().table_name(&table).time_to_live_specification(ttl).send().await.unwrap();
    Ledger::new(Dynamo::new(client, table))
}
