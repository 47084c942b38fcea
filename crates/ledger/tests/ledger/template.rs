//! The table's schema, read from the template that deploys it.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, ScalarAttributeType,
};

use mayfly_test_support::repository::repository;

/// What the template says of the table.
pub(crate) struct Schema {
    pub(crate) attributes: Vec<AttributeDefinition>,
    pub(crate) keys: Vec<KeySchemaElement>,
    pub(crate) index: String,
    pub(crate) index_keys: Vec<KeySchemaElement>,
    pub(crate) ttl: String,
}

impl Schema {
    pub(crate) fn read() -> Self {
        let text =
            std::fs::read_to_string(repository().unwrap().join("infra/template.yaml")).unwrap();
        let table = text
            .split("Type: AWS::DynamoDB::Table")
            .nth(1)
            .unwrap()
            .split("\n\n")
            .next()
            .unwrap();
        let (own, index) = table.split_once("GlobalSecondaryIndexes:").unwrap();
        let attributes = pairs(own, "AttributeType").map(|(name, kind)| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::from(kind))
                .build()
                .unwrap()
        });
        Self {
            attributes: attributes.collect(),
            keys: keys(own),
            index: value(index, "IndexName:"),
            index_keys: keys(index),
            ttl: value(own, "TimeToLiveSpecification: { AttributeName:")
                .trim_end_matches(',')
                .to_owned(),
        }
    }
}

fn keys(text: &str) -> Vec<KeySchemaElement> {
    pairs(text, "KeyType")
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(KeyType::from(kind))
                .build()
                .unwrap()
        })
        .collect()
}

/// `- { AttributeName: pk, AttributeType: S }`
fn pairs<'a>(text: &'a str, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.lines().filter_map(move |line| {
        let (name, value) = line.split_once("AttributeName: ")?.1.split_once(", ")?;
        Some((
            name,
            value
                .strip_prefix(kind)?
                .trim_start_matches(": ")
                .trim_end_matches(" }"),
        ))
    })
}

fn value(text: &str, key: &str) -> String {
    text.split(key)
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_template_says_what_the_ledger_writes() {
    let schema = Schema::read();
    let names: Vec<&str> = schema
        .attributes
        .iter()
        .map(AttributeDefinition::attribute_name)
        .collect();
    assert_eq!(names, ["pk", "sk", "day", "closed_at"]);
    assert_eq!(
        (schema.index.as_str(), schema.ttl.as_str()),
        ("closed-by-day", "expires_at")
    );
    assert_eq!((schema.keys.len(), schema.index_keys.len()), (2, 2));
}
