//! Where the ledger is kept in a test: in the model, or in a table of its own on `DynamoDB`'s API.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::{
    BillingMode, GlobalSecondaryIndex, Projection, ProjectionType, TimeToLiveSpecification,
};
use mayfly_dynamodb_model::{DynamoQuirks, Handle, Model};
use mayfly_ledger::{Dynamo, Ledger};

use crate::emulator;
use crate::template::Schema;

/// A table in memory, with small pages: anyone who queries has to turn them.
pub(crate) fn model() -> Ledger<Handle> {
    let model = Model::new();
    model.treat(DynamoQuirks {
        page: Some(3),
        ..DynamoQuirks::default()
    });
    model.ledger("test")
}

/// A table on `MiniStack`, made as the template makes it.
pub(crate) async fn ministack() -> Ledger<Dynamo> {
    let endpoint = tokio::task::spawn_blocking(emulator::ministack)
        .await
        .unwrap();
    let (client, table) = table_at(endpoint).await;
    expire(&client, &table).await;
    Ledger::new(Dynamo::new(client, table))
}

/// A table on `DynamoDB` Local, made as the template makes it, but that nothing expires: it would
/// be deleted by the machine's clock while the tests' moments stand still.
pub(crate) async fn dynamodb_local() -> Option<Ledger<Dynamo>> {
    let endpoint = tokio::task::spawn_blocking(emulator::dynamodb_local)
        .await
        .unwrap()?;
    let (client, table) = table_at(endpoint).await;
    Some(Ledger::new(Dynamo::new(client, table)))
}

async fn table_at(endpoint: &str) -> (Client, String) {
    static TABLES: AtomicU32 = AtomicU32::new(0);
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
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build(),
        );
    let create = client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest);
    let create = create
        .set_attribute_definitions(Some(schema.attributes))
        .set_key_schema(Some(schema.keys));
    create
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
    (client, table)
}

async fn expire(client: &Client, table: &str) {
    let ttl = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(Schema::read().ttl)
        .build()
        .unwrap();
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn dynamodb_local_takes_the_attribute_that_items_expire_by() {
    let Some(endpoint) = tokio::task::spawn_blocking(emulator::dynamodb_local)
        .await
        .unwrap()
    else {
        return;
    };
    let (client, table) = table_at(endpoint).await;
    expire(&client, &table).await;
    let told = client
        .describe_time_to_live()
        .table_name(&table)
        .send()
        .await
        .unwrap();
    let told = told.time_to_live_description.unwrap();
    assert_eq!(told.attribute_name, Some(Schema::read().ttl));
}

/// Left to itself it listens on every interface.
#[tokio::test]
async fn dynamodb_local_listens_on_loopback_and_nowhere_else() {
    let Some(endpoint) = tokio::task::spawn_blocking(emulator::dynamodb_local)
        .await
        .unwrap()
    else {
        return;
    };
    let port: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    // `sl local_address rem_address st …`, addresses as the machine's own numbers; 0A is LISTEN.
    // Source: proc_net_tcp of the kernel's documentation.
    let own = format!(":{port:04X} ");
    let lines = ["/proc/net/tcp", "/proc/net/tcp6"]
        .map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let listening = lines
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains(" 0A ") && line.contains(&own));
    let addresses: Vec<&str> = listening
        .filter_map(|line| line.split_whitespace().nth(1)?.split(':').next())
        .collect();
    assert_eq!(
        addresses,
        [format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]))]
    );
}
