//! `fargate-model`: ECS on Fargate for the local stack. Tasks run as local processes.

use anyhow::{Context, Result};
use mayfly_fargate_model::{Flags, serve};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<()> {
    let flags = Flags::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let server = serve(flags).await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        server.shut_down().await;
        Ok(())
    })
}
