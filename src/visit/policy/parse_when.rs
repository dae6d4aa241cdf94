//! `when` of a policy's TOML: phases and ranges of measures that must all hold; and features by their names.

use super::super::feature::{FEATURES, index_of};
use super::super::phase::Phase;
use super::parse::{PolicyError, Reader};
use super::tables::WhenTable;
use super::{ALL_PHASES, Bound, Condition, MEASURE_COUNT, check, measure_name};
use crate::suggest;
use toml::Spanned;

impl Reader<'_> {
    pub(super) fn condition(&self, table: &WhenTable) -> Result<Condition, PolicyError> {
        let mut condition = Condition::always();
        for (key, value) in table {
            if key.get_ref() == "phase" {
                condition.phases = self.phase_set(value)?;
            } else {
                condition.bounds.push(self.bound(key, value)?);
            }
        }
        condition.bounds.sort_by_key(|bound| bound.measure);
        Ok(condition)
    }

    /// The places of features that are named, each once.
    pub(super) fn features(&self, names: &[Spanned<String>]) -> Result<Vec<u8>, PolicyError> {
        let mut places = Vec::new();
        for name in names {
            let known = FEATURES.iter().map(|feature| feature.name);
            let place = index_of(name.get_ref()).ok_or_else(|| {
                let hint = suggest::hint(name.get_ref(), known);
                let what = format!("`{}` is not a feature{hint}", name.get_ref());
                self.error(name.span(), what)
            })?;
            if places.contains(&(place as u8)) {
                let what = format!("`{}` stands twice", name.get_ref());
                return Err(self.error(name.span(), what));
            }
            places.push(place as u8);
        }
        Ok(places)
    }

    fn phase_set(&self, value: &Spanned<toml::Value>) -> Result<u8, PolicyError> {
        let wrong = |what| Err(self.error(value.span(), what));
        let Some(names) = value.get_ref().as_array() else {
            return wrong("phase takes a list, like [\"browsing\", \"exploring\"]".into());
        };
        let mut set = 0;
        for name in names {
            let name = name.as_str().unwrap_or("");
            let known = Phase::ALL.iter().map(|phase| phase.name());
            match known.clone().position(|phase| phase == name) {
                Some(phase) => set |= 1 << phase,
                None => {
                    let all: Vec<_> = known.clone().collect();
                    let hint = suggest::hint(name, known);
                    return wrong(format!(
                        "`{name}` is not a phase ({}){hint}",
                        all.join(", ")
                    ));
                }
            }
        }
        if set == 0 {
            return wrong("an empty list of phases never holds".into());
        }
        debug_assert!(set <= ALL_PHASES);
        Ok(set)
    }

    fn bound(
        &self,
        key: &Spanned<String>,
        value: &Spanned<toml::Value>,
    ) -> Result<Bound, PolicyError> {
        let name = key.get_ref().as_str();
        let measure = match name {
            "p_purchase" => MEASURE_COUNT - 2,
            "p_abandon" => MEASURE_COUNT - 1,
            _ => index_of(name).ok_or_else(|| {
                let known = (0..MEASURE_COUNT).map(measure_name).chain(["phase"]);
                let what = format!("`{name}` is not a feature{}", suggest::hint(name, known));
                self.error(key.span(), what)
            })?,
        };
        let shape = || {
            let what =
                format!("{name} takes a range, like {{ min = 1 }} or {{ min = 1, max = 5 }}");
            self.error(value.span(), what)
        };
        let table = value.get_ref().as_table().ok_or_else(shape)?;
        let mut bound = Bound {
            measure,
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
        };
        if table.is_empty() {
            return Err(shape());
        }
        for (end, value) in table {
            let number = value.as_float().or(value.as_integer().map(|n| n as f64));
            let number = number.filter(|n| n.is_finite()).ok_or_else(shape)?;
            match end.as_str() {
                "min" => bound.min = number,
                "max" => bound.max = number,
                other => {
                    let hint = suggest::hint(other, ["min", "max"]);
                    let what = format!("`{other}` is not an end of a range: min or max{hint}");
                    // Values inside a range carry no place of their own; the key before them does.
                    return Err(self.error(key.span(), what));
                }
            }
        }
        check::bound(&bound).map_err(|what| self.error(key.span(), what))?;
        Ok(bound)
    }
}
