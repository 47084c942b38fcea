//! `events`: writes the event files of the repository's folder `events/`.

fn main() -> anyhow::Result<()> {
    mayfly_local_stack::events::write()
}
