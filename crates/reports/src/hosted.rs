//! What a job would have cost on a GitHub-hosted runner of similar size.

use std::time::Duration;

use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::price::{NanoDollars, hosted_cost};
use mayfly_domain::model::size::Size;

/// Of a job of a private repository that ran for so long on a runner of this size, at GitHub's prices
/// or those of the pools file. In public repositories the standard ones are free
/// (<https://docs.github.com/en/billing/concepts/product-billing/github-actions>).
#[must_use]
pub fn hosted(size: &Size, ran: Duration, pools: Option<&Pools>) -> Option<NanoDollars> {
    let own = pools
        .map(|pools| pools.prices.of(size.architecture).hosted.clone())
        .unwrap_or_default();
    hosted_cost(size, ran, &own)
}
