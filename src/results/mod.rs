//! The files of a run: written while it runs, read back by `report`.
