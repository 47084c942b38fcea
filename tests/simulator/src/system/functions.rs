//! The functions, put together as their `main.rs` does.

use std::sync::Arc;
use std::time::Duration;

use mayfly_config::store::Settings;
use mayfly_ecs::{Ecs, LaunchConfig};
use mayfly_ledger::Ledger;
use mayfly_observer::Observer;
use mayfly_registrar::Registrar;
use mayfly_scaler::Scaler;
use mayfly_sweeper::Sweeper;
use mayfly_webhook::Webhook;

use super::archive::archive;
use super::ecs::ecs;
use super::github::Github;
use super::parameters::{self, Reader};
use super::process::Processes;
use super::queue::Sender;
use super::start::{ACCOUNT, CLUSTER_ARN};
use super::table::{TablePort, ledger};
use super::world::World;

/// Time limits of the functions (`infra/template.yaml`).
const WEBHOOK: Duration = Duration::from_secs(10);
const SCALER: Duration = Duration::from_secs(20);
const REGISTRAR: Duration = Duration::from_secs(29);
const OBSERVER: Duration = Duration::from_secs(20);
const SWEEPER: Duration = Duration::from_secs(55);

pub(super) type TheWebhook = Webhook<Ledger<TablePort>, Sender>;
pub(super) type TheScaler = Scaler<TablePort, Ecs, Sender>;
pub(super) type TheRegistrar = Registrar<TablePort, Ecs, Github, Sender>;
pub(super) type TheObserver = Observer<Ledger<TablePort>, Ecs, Sender>;
pub(super) type TheSweeper = Sweeper<TablePort, Ecs, Github, Sender>;

/// All functions, each with its processes.
pub struct Functions {
    pub(super) webhook: Processes<TheWebhook>,
    pub(super) scaler: Processes<TheScaler>,
    pub(super) registrar: Processes<TheRegistrar>,
    pub(super) observer: Processes<TheObserver>,
    pub(super) sweeper: Processes<TheSweeper>,
}

fn settings(world: &Arc<World>, who: &'static str) -> Settings {
    let reader = Reader {
        world: Arc::clone(world),
        who,
    };
    let app = matches!(who, "registrar" | "sweeper");
    Settings::new(
        reader,
        parameters::names(who == "webhook", app),
        world.clock_of(who),
    )
}

fn sender(world: &Arc<World>, who: &'static str) -> Sender {
    Sender {
        world: Arc::clone(world),
        who,
    }
}

fn github(world: &Arc<World>, who: &'static str) -> Github {
    Github {
        world: Arc::clone(world),
        who,
    }
}

impl Functions {
    pub(super) fn new(world: &Arc<World>, site: &LaunchConfig) -> Self {
        let scaler_site = site.clone();
        Self {
            webhook: processes(world, "webhook", WEBHOOK, |world| {
                let outside = mayfly_webhook::Deps {
                    wakes: sender(world, "webhook"),
                    clock: world.clock_of("webhook"),
                };
                Webhook::new(
                    ledger(world, "webhook"),
                    settings(world, "webhook"),
                    outside,
                )
            }),
            scaler: processes(world, "scaler", SCALER, move |world| {
                scaler(world, scaler_site.clone())
            }),
            registrar: processes(world, "registrar", REGISTRAR, registrar),
            observer: processes(world, "observer", OBSERVER, |world| {
                let outside = mayfly_observer::Deps {
                    ecs: ecs(world, "observer"),
                    wakes: sender(world, "observer"),
                    clock: world.clock_of("observer"),
                };
                Observer::new(ledger(world, "observer"), outside)
            }),
            sweeper: processes(world, "sweeper", SWEEPER, sweeper),
        }
    }
}

fn processes<P>(
    world: &Arc<World>,
    who: &'static str,
    limit: Duration,
    start: impl Fn(&Arc<World>) -> P + Send + Sync + 'static,
) -> Processes<P> {
    let world = Arc::clone(world);
    Processes::new(who, limit, move || start(&world))
}

fn scaler(world: &Arc<World>, site: LaunchConfig) -> TheScaler {
    let ids = Arc::clone(world);
    let outside = mayfly_scaler::Deps {
        ecs: ecs(world, "scaler"),
        wakes: sender(world, "scaler"),
        site,
        clock: world.clock_of("scaler"),
        new_id: Box::new(move || ids.new_runner()),
    };
    Scaler::new(ledger(world, "scaler"), settings(world, "scaler"), outside)
}

fn registrar(world: &Arc<World>) -> TheRegistrar {
    let outside = mayfly_registrar::Deps {
        ecs: ecs(world, "registrar"),
        github: github(world, "registrar"),
        wakes: sender(world, "registrar"),
        account: ACCOUNT.to_owned(),
        cluster: CLUSTER_ARN.to_owned(),
        clock: world.clock_of("registrar"),
    };
    Registrar::new(
        ledger(world, "registrar"),
        Arc::new(settings(world, "registrar")),
        outside,
    )
}

fn sweeper(world: &Arc<World>) -> TheSweeper {
    let outside = mayfly_sweeper::Deps {
        ecs: ecs(world, "sweeper"),
        github: github(world, "sweeper"),
        wakes: sender(world, "sweeper"),
        archive: archive(world),
        clock: world.clock_of("sweeper"),
    };
    Sweeper::new(
        ledger(world, "sweeper"),
        Arc::new(settings(world, "sweeper")),
        outside,
    )
}
