//! Organizations, users, their repositories and runner groups, and the App's installations.

mod records;

use records::Absence;
pub use records::{
    Account, Group, Installation, Level, Permissions, Repository, Visibility, granted,
};

use super::id::{AccountId, GroupId, InstallationId, RepositoryId};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The account everything uses if nothing else is said.
pub const ACME: AccountId = AccountId(5_500_001);
/// A second organization with the App.
pub const GLOBEX: AccountId = AccountId(5_500_002);
/// A user with the App: no organization in the payloads, no organization runners.
pub const MONA: AccountId = AccountId(5_500_003);

/// A repository's former name.
#[derive(Debug, Clone)]
struct Former {
    owner: AccountId,
    name: String,
    repository: RepositoryId,
    redirects: bool,
}

/// What a name in a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// This repository.
    Found(RepositoryId),
    /// It was renamed, and GitHub sends the caller on.
    Moved(RepositoryId),
    /// Nothing.
    Unknown,
}

/// All accounts and what belongs to them.
#[derive(Debug, Clone)]
pub struct Accounts {
    accounts: BTreeMap<AccountId, Account>,
    repositories: BTreeMap<RepositoryId, Repository>,
    installations: BTreeMap<InstallationId, Installation>,
    /// How often the App was installed on an account.
    installed: BTreeMap<AccountId, i64>,
    groups: BTreeMap<AccountId, BTreeMap<GroupId, Group>>,
    absences: Vec<Absence>,
    former: Vec<Former>,
    next_account: i64,
    next_repository: i64,
    next_group: i64,
}

impl Accounts {
    /// The accounts that are always there, each with the App.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let mut all = Self {
            accounts: BTreeMap::new(),
            repositories: BTreeMap::new(),
            installations: BTreeMap::new(),
            installed: BTreeMap::new(),
            groups: BTreeMap::new(),
            absences: Vec::new(),
            former: Vec::new(),
            next_account: MONA.0 + 1,
            next_repository: 710_000_001,
            next_group: 2,
        };
        for (id, login, organization) in [
            (ACME, "acme", true),
            (GLOBEX, "globex", true),
            (MONA, "mona", false),
        ] {
            all.add_account(id, login, organization);
            all.install(id, now);
        }
        all
    }

    fn add_account(&mut self, id: AccountId, login: &str, organization: bool) {
        self.accounts.insert(
            id,
            Account {
                id,
                login: login.to_owned(),
                organization,
            },
        );
        if organization {
            self.groups
                .insert(id, BTreeMap::from([(GroupId(1), default_group())]));
        }
    }

    /// Undoes every switch: the App is where it was at first, repositories are private again. Ids
    /// stay.
    pub fn restore(&mut self, now: Timestamp) {
        self.former.clear();
        for repository in self.repositories.values_mut() {
            (
                repository.private,
                repository.archived,
                repository.installed,
            ) = (true, false, true);
        }
        self.installations.clear();
        self.installed.clear();
        self.absences.clear();
        for id in [ACME, GLOBEX, MONA] {
            self.install(id, now);
        }
        for groups in self.groups.values_mut() {
            *groups = BTreeMap::from([(GroupId(1), default_group())]);
        }
    }

    /// Installs the App on an account, on all its repositories. Each time the installation is
    /// another one.
    pub fn install(&mut self, account: AccountId, now: Timestamp) {
        self.install_with(account, granted(), now);
    }

    /// The same, where the account's owner grants these permissions.
    pub fn install_with(
        &mut self,
        account: AccountId,
        permissions: Permissions,
        now: Timestamp,
    ) -> InstallationId {
        let times = self.installed.entry(account).or_default();
        let id = InstallationId(61_000_000 + 1_000 * *times + account.0 % 1_000);
        *times += 1;
        self.end_absence(account, now);
        self.installations.insert(
            id,
            Installation {
                id,
                account,
                permissions,
                suspended_at: None,
                created_at: now,
            },
        );
        id
    }

    /// Takes the App off every account.
    pub fn uninstall_all(&mut self, now: Timestamp) {
        for account in self.accounts.keys().copied().collect::<Vec<_>>() {
            self.uninstall(account, now);
        }
    }

    /// Takes the App off an account.
    pub fn uninstall(&mut self, account: AccountId, now: Timestamp) {
        self.installations
            .retain(|_, installation| installation.account != account);
        self.begin_absence(account, now);
    }

    /// Suspends the App on an account where it is installed.
    pub fn suspend(&mut self, account: AccountId, now: Timestamp) {
        if let Some(installation) = self.installation_on_mut(account) {
            installation.suspended_at = Some(now);
            self.begin_absence(account, now);
        }
    }

    /// Ends the suspension of the App on an account.
    pub fn resume(&mut self, account: AccountId, now: Timestamp) {
        if let Some(installation) = self.installation_on_mut(account) {
            installation.suspended_at = None;
            self.end_absence(account, now);
        }
    }

    fn begin_absence(&mut self, account: AccountId, now: Timestamp) {
        let open = |one: &Absence| one.account == account && one.until.is_none();
        if !self.absences.iter().any(open) {
            self.absences.push(Absence {
                account,
                from: now,
                until: None,
            });
        }
    }

    fn end_absence(&mut self, account: AccountId, now: Timestamp) {
        for one in &mut self.absences {
            if one.account == account && one.until.is_none() {
                one.until = Some(now);
            }
        }
    }

    /// For how long between two times the App was on the account that owns a repository now, and
    /// not suspended there.
    #[must_use]
    pub fn time_with_app(
        &self,
        id: RepositoryId,
        from: Timestamp,
        to: Timestamp,
    ) -> SignedDuration {
        let owner = self.repository(id).map(|repository| repository.owner);
        let away = self
            .absences
            .iter()
            .filter(|absence| Some(absence.account) == owner)
            .map(|absence| {
                let end = absence.until.map_or(to, |until| until.min(to));
                end.duration_since(absence.from.max(from))
                    .max(SignedDuration::ZERO)
            })
            .sum::<SignedDuration>();
        (to.duration_since(from) - away).max(SignedDuration::ZERO)
    }

    /// The repository of this full name, made if no one has heard of it: private, like its owner an
    /// organization. An owner that is made this way has no App.
    pub fn mention(&mut self, full_name: &str, now: Timestamp) -> RepositoryId {
        let (owner, name) = full_name.split_once('/').unwrap_or(("acme", full_name));
        let owner = self.owner(owner);
        if let Some(found) = self
            .repositories
            .values()
            .find(|one| one.owner == owner && one.name.eq_ignore_ascii_case(name))
        {
            return found.id;
        }
        let id = RepositoryId(self.next_repository);
        self.next_repository += 1;
        let repository = Repository {
            id,
            owner,
            name: name.to_owned(),
            private: true,
            archived: false,
            installed: true,
            created_at: now,
        };
        self.repositories.insert(id, repository);
        id
    }

    /// The account of this login, made if no one has heard of it.
    fn owner(&mut self, login: &str) -> AccountId {
        if let Some(known) = self.account_by_login(login) {
            return known.id;
        }
        let id = AccountId(self.next_account);
        self.next_account += 1;
        self.add_account(id, login, true);
        id
    }

    /// Gives a repository a new name. The old one leads to it, if `redirects`, or nowhere.
    pub fn rename(&mut self, id: RepositoryId, name: &str, redirects: bool) {
        if let Some(repository) = self.repositories.get_mut(&id) {
            let former = std::mem::replace(&mut repository.name, name.to_owned());
            let owner = repository.owner;
            self.former.push(Former {
                owner,
                name: former,
                repository: id,
                redirects,
            });
        }
    }

    /// Gives a repository to another account, made if it is not there: one that is made this way
    /// has no App. It keeps its id, and its old name leads to it.
    pub fn transfer(&mut self, id: RepositoryId, to: &str, redirects: bool) {
        let to = self.owner(to);
        if let Some(repository) = self.repositories.get_mut(&id) {
            let owner = std::mem::replace(&mut repository.owner, to);
            self.former.push(Former {
                owner,
                name: repository.name.clone(),
                repository: id,
                redirects,
            });
        }
    }

    /// Deletes a repository. Its names lead nowhere.
    pub fn delete(&mut self, id: RepositoryId) {
        self.repositories.remove(&id);
        self.former.retain(|former| former.repository != id);
    }

    /// Makes a runner group.
    pub fn add_group(
        &mut self,
        owner: AccountId,
        name: &str,
        visibility: Visibility,
        allows_public: bool,
    ) -> GroupId {
        let id = GroupId(self.next_group);
        self.next_group += 1;
        let group = Group {
            id,
            name: name.to_owned(),
            visibility,
            allows_public,
        };
        self.groups.entry(owner).or_default().insert(id, group);
        id
    }

    /// Deletes a runner group.
    pub fn remove_group(&mut self, owner: AccountId, id: GroupId) {
        if let Some(groups) = self.groups.get_mut(&owner) {
            groups.remove(&id);
        }
    }

    /// The account of this name, compared without case.
    #[must_use]
    pub fn account_by_login(&self, login: &str) -> Option<&Account> {
        self.accounts
            .values()
            .find(|account| account.login.eq_ignore_ascii_case(login))
    }

    /// The account of this id.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// What `owner/name` leads to.
    #[must_use]
    pub fn lookup(&self, owner: &str, name: &str) -> Lookup {
        let Some(owner) = self.account_by_login(owner) else {
            return Lookup::Unknown;
        };
        let is = |of: AccountId, called: &str| of == owner.id && called.eq_ignore_ascii_case(name);
        if let Some(found) = self
            .repositories
            .values()
            .find(|one| is(one.owner, &one.name))
        {
            return Lookup::Found(found.id);
        }
        match self
            .former
            .iter()
            .rev()
            .find(|one| is(one.owner, &one.name))
        {
            Some(former) if former.redirects => Lookup::Moved(former.repository),
            _ => Lookup::Unknown,
        }
    }

    /// The repository of this id.
    #[must_use]
    pub fn repository(&self, id: RepositoryId) -> Option<&Repository> {
        self.repositories.get(&id)
    }

    /// The repository of this id, to change.
    pub fn repository_mut(&mut self, id: RepositoryId) -> Option<&mut Repository> {
        self.repositories.get_mut(&id)
    }

    /// All repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    /// `owner/name` of a repository.
    #[must_use]
    pub fn full_name(&self, id: RepositoryId) -> String {
        self.repository(id)
            .and_then(|repository| {
                Some(format!(
                    "{}/{}",
                    self.account(repository.owner)?.login,
                    repository.name
                ))
            })
            .unwrap_or_default()
    }

    /// The installation of this id.
    #[must_use]
    pub fn installation(&self, id: InstallationId) -> Option<&Installation> {
        self.installations.get(&id)
    }

    /// The installation of this id, to change.
    pub fn installation_mut(&mut self, id: InstallationId) -> Option<&mut Installation> {
        self.installations.get_mut(&id)
    }

    /// All installations.
    pub fn installations(&self) -> impl Iterator<Item = &Installation> {
        self.installations.values()
    }

    fn installation_on_mut(&mut self, account: AccountId) -> Option<&mut Installation> {
        self.installations
            .values_mut()
            .find(|installation| installation.account == account)
    }

    /// The installation on an account.
    #[must_use]
    pub fn installation_on(&self, account: AccountId) -> Option<&Installation> {
        self.installations
            .values()
            .find(|installation| installation.account == account)
    }

    /// The installation that covers a repository.
    #[must_use]
    pub fn installation_for(&self, id: RepositoryId) -> Option<&Installation> {
        let repository = self
            .repository(id)
            .filter(|repository| repository.installed)?;
        self.installation_on(repository.owner)
    }

    /// An organization's runner groups.
    pub fn groups(&self, owner: AccountId) -> impl Iterator<Item = &Group> {
        self.groups
            .get(&owner)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// One runner group.
    #[must_use]
    pub fn group(&self, owner: AccountId, id: GroupId) -> Option<&Group> {
        self.groups.get(&owner)?.get(&id)
    }

    /// Whether runners of a group may run a repository's jobs.
    #[must_use]
    pub fn group_serves(&self, group: &Group, repository: &Repository) -> bool {
        let seen = match &group.visibility {
            Visibility::All => true,
            Visibility::Private => repository.private,
            Visibility::Selected(names) => names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&repository.name)),
        };
        seen && (repository.private || group.allows_public)
    }
}

/// The group every organization has. GitHub lets public repositories use it only where an owner
/// said so.
fn default_group() -> Group {
    Group {
        id: GroupId(1),
        name: "Default".to_owned(),
        visibility: Visibility::All,
        allows_public: false,
    }
}
