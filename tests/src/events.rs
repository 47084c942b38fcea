//! Event files: what functions get, one file per kind.
