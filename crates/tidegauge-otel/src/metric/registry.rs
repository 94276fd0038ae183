//! Attribute sets and what was measured of each: one look-up for all metrics that share a set.
//!
//! In: encoded sets and values. Out: points. Bounded by the number of sets in a group; what comes
//! when all are taken is folded into one that says so. Knows no record.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{KeyValue, KeyValueList, any_value::Value as Any};
use prost::Message;
use tidegauge_core::Money;

use super::family::{Family, Point, Value, unix_nanos};
use super::histogram::Histogram;
use super::options::{Sums, View};
use super::slot::Slot;
use crate::attribute::pair;
use crate::exemplar::{Example, ExemplarFilter};
use crate::semconv::OVERFLOW;

/// Metrics that share their attribute sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    /// How requests ended.
    Requests,
    /// The client's requests.
    Server,
    /// Our requests to upstreams.
    Attempt,
    /// What the proxy added.
    Overhead,
    /// Model calls, with how they failed.
    Duration,
    /// Model calls.
    Call,
    /// Upstreams.
    Errors,
}

/// Every group with its sets.
#[derive(Debug)]
pub(super) struct Registry {
    views: Vec<View>,
    /// Which of the distributions that are kept each view reads.
    shelves: Vec<usize>,
    /// The view that decides about the distributions of each shelf.
    owners: Vec<View>,
    sets: usize,
    groups: [Sets; 7],
}

/// What was measured of one attribute set in one slot.
pub(super) struct Told {
    slot: Slot,
    set: Arc<[KeyValue]>,
    value: Value,
    born: u64,
}

/// The sets of one group.
#[derive(Debug, Default)]
struct Sets {
    /// Where each encoded set is in `kept`.
    places: HashMap<Box<[u8]>, usize>,
    kept: Vec<Set>,
    /// Where the set is that stands for those without room.
    overflow: Option<usize>,
}

/// One attribute set and what was measured of it.
#[derive(Debug)]
struct Set {
    attributes: Arc<[KeyValue]>,
    /// A handful: found by looking at each.
    cells: Vec<Kept>,
}

/// What was measured in one slot.
#[derive(Debug)]
struct Kept {
    slot: Slot,
    /// Nanoseconds since the Unix epoch of the first time.
    born: u64,
    cell: Cell,
}

#[derive(Debug)]
enum Cell {
    Sum {
        total: u64,
        /// What it was when each view was told last.
        told: Box<[u64]>,
    },
    /// One for each shelf.
    Distribution(Box<[Histogram]>),
}

/// One attribute set, to be added to.
pub(super) struct Series<'a> {
    views: usize,
    owners: &'a [View],
    cells: &'a mut Vec<Kept>,
}

impl Registry {
    /// Nothing measured yet; at most `sets` sets in a group.
    pub(super) fn new(views: Vec<View>, sets: usize) -> Self {
        let mut owners: Vec<View> = Vec::new();
        let mut shelves = Vec::new();
        for view in &views {
            let known = owners.iter().position(|owner| view.can_read(owner));
            shelves.push(known.unwrap_or(owners.len()));
            if known.is_none() {
                owners.push(*view);
            }
        }
        Self { views, shelves, owners, sets, groups: Default::default() }
    }

    pub(super) fn views(&self) -> &[View] {
        &self.views
    }

    /// Where a set is that was seen before.
    pub(super) fn find(&self, group: Group, set: &[u8]) -> Option<usize> {
        self.groups.get(group as usize)?.places.get(set).copied()
    }

    /// Where a set is from now on: an encoded `KeyValueList`.
    pub(super) fn place(&mut self, group: Group, set: &[u8]) -> Option<usize> {
        self.groups.get_mut(group as usize).map(|sets| sets.place(set, self.sets))
    }

    /// Whether that place stands for the sets without room.
    pub(super) fn is_overflow(&self, group: Group, place: usize) -> bool {
        self.groups.get(group as usize).is_some_and(|sets| sets.overflow == Some(place))
    }

    /// The series of a place.
    pub(super) fn series(&mut self, group: Group, place: usize) -> Option<Series<'_>> {
        let cells = &mut self.groups.get_mut(group as usize)?.kept.get_mut(place)?.cells;
        Some(Series { views: self.views.len(), owners: &self.owners, cells })
    }

    /// What the view of that position is to be told. Deltas begin anew. As little as can be is done
    /// here, where nothing can be recorded: [`families`] makes the rest of it.
    pub(super) fn read(&mut self, view: usize) -> Vec<Told> {
        let Some((wanted, shelf)) = self.views.get(view).zip(self.shelves.get(view)) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for set in self.groups.iter_mut().flat_map(|sets| &mut sets.kept) {
            for Kept { slot, born, cell } in &mut set.cells {
                if let Some(value) = cell.read(*slot, wanted, view, *shelf) {
                    let (slot, set, born) = (*slot, Arc::clone(&set.attributes), *born);
                    told.push(Told { slot, set, value, born });
                }
            }
        }
        told
    }
}

/// What was read, as families.
pub(super) fn families(told: Vec<Told>, sums: Sums) -> Vec<Family> {
    let mut families = Vec::new();
    for Told { slot, set, value, born } in told {
        let more = slot.more().into_iter();
        let more = more.map(|(key, value)| pair(key, Any::StringValue(value.to_owned())));
        let attributes = set.iter().cloned().chain(more).collect();
        family(&mut families, slot, sums).points.push(Point {
            attributes,
            value,
            since: Some(born),
        });
    }
    families
}

/// The family of a slot; made when there is none.
fn family(families: &mut Vec<Family>, slot: Slot, sums: Sums) -> &mut Family {
    let metric = slot.metric();
    let known = families.iter().position(|family| family.metric.name == metric.name);
    let place = known.unwrap_or(families.len());
    if known.is_none() {
        families.push(Family {
            scope: slot.scope(),
            metric,
            delta: sums != Sums::Cumulative,
            since: 0,
            now: 0,
            points: Vec::new(),
        });
    }
    #[expect(clippy::indexing_slicing, reason = "it was found, or pushed")]
    &mut families[place]
}

impl Sets {
    /// Where a set is, or where those are that found no room.
    fn place(&mut self, set: &[u8], most: usize) -> usize {
        if let Some(place) = self.places.get(set) {
            return *place;
        }
        let next = self.kept.len();
        if self.places.len() < most {
            let list = KeyValueList::decode(set).unwrap_or_default();
            self.kept.push(Set { attributes: list.values.into(), cells: Vec::new() });
            self.places.insert(set.into(), next);
            return next;
        }
        let place = *self.overflow.get_or_insert(next);
        if place == next {
            let attributes = [pair(OVERFLOW, Any::BoolValue(true))].into();
            self.kept.push(Set { attributes, cells: Vec::new() });
        }
        place
    }
}

impl Series<'_> {
    /// Whether nothing was measured of it yet.
    pub(super) fn is_new(&self) -> bool {
        self.cells.is_empty()
    }

    /// Adds to a sum, which stays where it is rather than wrap.
    pub(super) fn add(&mut self, slot: Slot, amount: u64) {
        let views = self.views;
        let cell = self.cell(slot, || Cell::Sum { total: 0, told: vec![0; views].into() });
        if let Some(Cell::Sum { total, .. }) = cell {
            *total = total.saturating_add(amount);
        }
    }

    /// Adds to a distribution, maybe with a way back to the trace.
    pub(super) fn record(&mut self, slot: Slot, value: f64, example: Option<&Example>) {
        let owners = self.owners;
        if let Some(Cell::Distribution(kept)) = self.distribution(slot) {
            for (histogram, owner) in kept.iter_mut().zip(owners) {
                histogram.record(value, example.filter(|example| example.fits(owner.exemplars)));
            }
        }
    }

    /// Adds many times to a distribution; without any there will be none.
    pub(super) fn record_all(&mut self, slot: Slot, times: &[Duration]) {
        if times.is_empty() {
            return;
        }
        if let Some(Cell::Distribution(kept)) = self.distribution(slot) {
            for histogram in kept {
                times.iter().for_each(|time| histogram.record(time.as_secs_f64(), None));
            }
        }
    }

    fn distribution(&mut self, slot: Slot) -> Option<&mut Cell> {
        let owners = self.owners;
        self.cell(slot, || {
            let fresh =
                |owner: &View| Histogram::new(owner.histograms, slot.metric().bounds(owner.fine));
            Cell::Distribution(owners.iter().map(fresh).collect())
        })
    }

    fn cell(&mut self, slot: Slot, fresh: impl FnOnce() -> Cell) -> Option<&mut Cell> {
        let known = self.cells.iter().position(|known| known.slot == slot);
        let place = known.unwrap_or(self.cells.len());
        if known.is_none() {
            self.cells.push(Kept { slot, born: unix_nanos(), cell: fresh() });
        }
        self.cells.get_mut(place).map(|kept| &mut kept.cell)
    }
}

impl Cell {
    /// What a view is to be told; nothing where nothing came since a delta.
    fn read(&mut self, slot: Slot, wanted: &View, view: usize, shelf: usize) -> Option<Value> {
        // What is read when asked is cumulative to those who want little memory used; this is not.
        let delta = wanted.sums != Sums::Cumulative;
        match self {
            Self::Sum { total, told } => {
                let told = told.get_mut(view)?;
                let amount = if delta { *total - std::mem::replace(told, *total) } else { *total };
                let money = matches!(slot, Slot::Cost(_));
                let value = if money {
                    Value::Money(Money::from_nanos(amount))
                } else {
                    Value::Count(amount)
                };
                (amount > 0 || !delta).then_some(value)
            }
            Self::Distribution(kept) => {
                let histogram = kept.get_mut(shelf)?;
                if !delta {
                    return Some(Value::Distribution(match wanted.lasting {
                        _ if wanted.exemplars == ExemplarFilter::Off => histogram.bare(),
                        true => histogram.clone(),
                        false => histogram.told(),
                    }));
                }
                let fresh = histogram.fresh();
                let told = std::mem::replace(histogram, fresh);
                (told.count > 0).then_some(Value::Distribution(told))
            }
        }
    }
}
