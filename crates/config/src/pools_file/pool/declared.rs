//! A pool as the file declares it.

use mayfly_domain::model::pool::Account;

use super::super::reader::Section;

/// A pool as the file declares it.
pub(in super::super) struct Declared<'a, 'd> {
    pub(in super::super) own: Section<'d>,
    pub(in super::super) defaults: Option<&'a Section<'d>>,
    pub(in super::super) accounts: &'a [Account],
}
