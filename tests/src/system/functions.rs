//! The functions, put together as their `main.rs` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mayfly_fleet::{Fleet, Site};
use mayfly_github::ByUrl;
use mayfly_ledger::Ledger;
use mayfly_observer::Observer;
use mayfly_registrar::Registrar;
use mayfly_scaler::Scaler;
use mayfly_settings::source::Settings;
use mayfly_sweeper::Sweeper;
use mayfly_webhook::Webhook;

use super::ecs::fleet;
use super::github::Github;
use super::parameters::{self, Reader};
use super::queue::Sender;
use super::start::{ACCOUNT, CLUSTER_ARN};
use super::world::World;
use crate::ledger::Handle;

/// How many scalers may be at work at once: as many processes, each with its own memory.
const SCALERS: usize = 8;
/// Processes of registrar that take turns.
const REGISTRARS: usize = 3;

/// All functions, as processes that are warm.
pub struct Functions {
    pub(super) webhook: Webhook<Ledger<Handle>, Sender>,
    pub(super) observer: Observer<Ledger<Handle>, Fleet, Sender>,
    pub(super) sweeper: Sweeper<Handle, Fleet, Github, Sender>,
    scalers: Vec<Scaler<Handle, Fleet, Sender>>,
    registrars: Vec<Registrar<Handle, Fleet, Github, Sender>>,
    turn: AtomicUsize,
}

fn settings(world: &Arc<World>, who: &'static str) -> Settings {
    let reader = Reader { world: Arc::clone(world), who };
    let app = matches!(who, "registrar" | "sweeper");
    Settings::new(reader, parameters::names(who == "webhook", app), world.clock.boxed())
}

fn sender(world: &Arc<World>, who: &'static str) -> Sender {
    Sender { world: Arc::clone(world), who }
}

fn github(world: &Arc<World>, who: &'static str) -> ByUrl<Github> {
    let world = Arc::clone(world);
    ByUrl::new(Box::new(move |_| Ok(Github { world: Arc::clone(&world), who })))
}

impl Functions {
    pub(super) fn new(world: &Arc<World>, site: &Site) -> Self {
        Self {
            webhook: Webhook::new(settings(world, "webhook"), world.table.ledger("webhook"), sender(world, "webhook"), world.clock.boxed()),
            observer: Observer {
                records: world.table.ledger("observer"),
                fleet: fleet(world, "observer"),
                wakes: sender(world, "observer"),
                public_ip: true,
                clock: world.clock.boxed(),
            },
            sweeper: sweeper(world),
            scalers: (0..SCALERS).map(|_| scaler(world, site)).collect(),
            registrars: (0..REGISTRARS).map(|_| registrar(world)).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// One of the scalers.
    pub(super) fn scaler(&self, which: usize) -> Option<&Scaler<Handle, Fleet, Sender>> {
        self.scalers.get(which % SCALERS)
    }

    /// The registrar whose turn it is.
    pub(super) fn registrar(&self) -> Option<&Registrar<Handle, Fleet, Github, Sender>> {
        self.registrars.get(self.turn.fetch_add(1, Ordering::Relaxed) % REGISTRARS)
    }
}

fn scaler(world: &Arc<World>, site: &Site) -> Scaler<Handle, Fleet, Sender> {
    let ids = Arc::clone(world);
    let outside = mayfly_scaler::World {
        fleet: fleet(world, "scaler"),
        wakes: sender(world, "scaler"),
        site: site.clone(),
        clock: world.clock.boxed(),
        new_id: Box::new(move || ids.new_runner()),
    };
    Scaler::new(world.table.ledger("scaler"), settings(world, "scaler"), outside)
}

fn registrar(world: &Arc<World>) -> Registrar<Handle, Fleet, Github, Sender> {
    let outside = mayfly_registrar::World {
        tasks: fleet(world, "registrar"),
        github: github(world, "registrar"),
        wakes: sender(world, "registrar"),
        account: ACCOUNT.to_owned(),
        cluster: CLUSTER_ARN.to_owned(),
        clock: world.clock.boxed(),
    };
    Registrar::new(world.table.ledger("registrar"), Arc::new(settings(world, "registrar")), outside)
}

fn sweeper(world: &Arc<World>) -> Sweeper<Handle, Fleet, Github, Sender> {
    let outside = mayfly_sweeper::World {
        fleet: fleet(world, "sweeper"),
        github: github(world, "sweeper"),
        wakes: sender(world, "sweeper"),
        public_ip: true,
        clock: world.clock.boxed(),
    };
    Sweeper::new(world.table.ledger("sweeper"), Arc::new(settings(world, "sweeper")), outside)
}
