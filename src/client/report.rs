//! What was read from a meter, as a table for people and as JSON for programs.

use std::{fmt, iter};

use crate::text::printable;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sunspec::models::{model1::Model1, model203::Model203, model213::Model213};

/// One quantity of a meter: its name, its unit, and the SunSpec names of its points, the total
/// first.
#[derive(Clone, Copy, Debug)]
struct Row {
    label: &'static str,
    unit: &'static str,
    points: &'static [&'static str],
}

const ROWS: [Row; 10] = [
    Row { label: "current", unit: "A", points: &["A", "AphA", "AphB", "AphC"] },
    Row { label: "voltage L-N", unit: "V", points: &["PhV", "PhVphA", "PhVphB", "PhVphC"] },
    Row { label: "voltage L-L", unit: "V", points: &["PPV", "PPVphAB", "PPVphBC", "PPVphCA"] },
    Row { label: "frequency", unit: "Hz", points: &["Hz"] },
    Row { label: "power", unit: "W", points: &["W", "WphA", "WphB", "WphC"] },
    Row { label: "apparent power", unit: "VA", points: &["VA", "VAphA", "VAphB", "VAphC"] },
    Row { label: "reactive power", unit: "var", points: &["VAR", "VARphA", "VARphB", "VARphC"] },
    Row { label: "power factor", unit: "", points: &["PF", "PFphA", "PFphB", "PFphC"] },
    Row {
        label: "exported energy",
        unit: "Wh",
        points: &["TotWhExp", "TotWhExpPhA", "TotWhExpPhB", "TotWhExpPhC"],
    },
    Row {
        label: "imported energy",
        unit: "Wh",
        points: &["TotWhImp", "TotWhImpPhA", "TotWhImpPhB", "TotWhImpPhC"],
    },
];

/// Everything read from a meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    common: Model1,
    model: u16,
    /// In the order of [`ROWS`] and their points; `None` where the meter lacks the point.
    values: [[Option<f64>; 4]; 10],
}

impl Report {
    /// The report of a meter with float values (models 211 to 214).
    #[must_use]
    pub fn float(common: Model1, model: u16, m: &Model213) -> Self {
        // A meter that lacks a phase sends NaN, even for points that are mandatory in the model.
        let some = |value: Option<f32>| value.filter(|value| !value.is_nan()).map(shortest);
        let values = [
            [m.a, m.aph_a, m.aph_b, m.aph_c].map(Some),
            [m.ph_v, m.ph_vph_a, m.ph_vph_b, m.ph_vph_c].map(Some),
            [m.ppv, m.pp_vph_ab, m.pp_vph_bc, m.pp_vph_ca].map(Some),
            [Some(m.hz), None, None, None],
            [Some(m.w), m.wph_a, m.wph_b, m.wph_c],
            [m.va, m.v_aph_a, m.v_aph_b, m.v_aph_c],
            [m.var, m.va_rph_a, m.va_rph_b, m.va_rph_c],
            [m.pf, m.p_fph_a, m.p_fph_b, m.p_fph_c],
            [Some(m.tot_wh_exp), m.tot_wh_exp_ph_a, m.tot_wh_exp_ph_b, m.tot_wh_exp_ph_c],
            [Some(m.tot_wh_imp), m.tot_wh_imp_ph_a, m.tot_wh_imp_ph_b, m.tot_wh_imp_ph_c],
        ];
        Self { common, model, values: values.map(|row| row.map(some)) }
    }

    /// The report of a meter with integers and scale factors (models 201 to 204).
    #[must_use]
    pub fn integer(common: Model1, model: u16, m: &Model203) -> Self {
        let some = |values: [Option<i16>; 4], scale: i16| {
            values.map(|value| {
                let value = value.filter(|value| *value != i16::MIN)?;
                Some(scaled(value.into(), scale))
            })
        };
        let energy =
            |values: [Option<u32>; 4]| values.map(|value| Some(scaled(value?.into(), m.tot_wh_sf)));
        let values = [
            some([m.a, m.aph_a, m.aph_b, m.aph_c].map(Some), m.a_sf),
            some([m.ph_v, m.ph_vph_a, m.ph_vph_b, m.ph_vph_c].map(Some), m.v_sf),
            some([m.ppv, m.ph_vph_ab, m.ph_vph_bc, m.ph_vph_ca].map(Some), m.v_sf),
            some([Some(m.hz), None, None, None], m.hz_sf.unwrap_or(0)),
            some([Some(m.w), m.wph_a, m.wph_b, m.wph_c], m.w_sf),
            some([m.va, m.v_aph_a, m.v_aph_b, m.v_aph_c], m.va_sf.unwrap_or(0)),
            some([m.var, m.va_rph_a, m.va_rph_b, m.va_rph_c], m.var_sf.unwrap_or(0)),
            // Power factors are in percent in these models.
            some([m.pf, m.p_fph_a, m.p_fph_b, m.p_fph_c], m.pf_sf.unwrap_or(0).saturating_sub(2)),
            energy([Some(m.tot_wh_exp), m.tot_wh_exp_ph_a, m.tot_wh_exp_ph_b, m.tot_wh_exp_ph_c]),
            energy([Some(m.tot_wh_imp), m.tot_wh_imp_ph_a, m.tot_wh_imp_ph_b, m.tot_wh_imp_ph_c]),
        ];
        Self { common, model, values }
    }

    fn rows(
        &self,
    ) -> impl Iterator<Item = (Row, impl Iterator<Item = (&'static str, Option<f64>)>)> {
        ROWS.into_iter()
            .zip(self.values)
            .map(|(row, values)| (row, row.points.iter().copied().zip(values)))
    }

    /// The value of a point, by its SunSpec name.
    #[must_use]
    pub fn value(&self, point: &str) -> Option<f64> {
        self.rows().flat_map(|(_, values)| values).find(|(name, _)| *name == point)?.1
    }
}

/// The shortest number that a float32 represents: 231.4, not 231.39999389648438.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

/// `value` · 10^`scale`. Dividing, where the scale is negative, makes 2314 · 10⁻¹ exactly 231.4.
fn scaled(value: f64, scale: i16) -> f64 {
    let factor = 10_f64.powi(i32::from(scale).abs());
    if scale < 0 { value / factor } else { value * factor }
}

/// Width of a quantity's label with its unit.
const LABEL: usize = 20;

/// Widths of a value: usually, and at least.
const VALUE: (usize, usize) = (14, 10);

/// The quantities that follow from others, from the one that is missed least.
const DERIVED: [&str; 4] = ["reactive power", "power factor", "apparent power", "voltage L-L"];

impl Report {
    /// Which meter it is, in two lines.
    #[must_use]
    pub fn identity(&self) -> [String; 2] {
        let Model1 { mn, md, opt, vr, sn, da } = &self.common;
        let more = [opt, vr].into_iter().flatten().filter(|text| !text.is_empty());
        let device = more.fold(format!("{} {}", printable(mn), printable(md)), |line, text| {
            format!("{line}, {}", printable(text))
        });
        let address = da.map(|address| format!(", address {address}")).unwrap_or_default();
        let model = self.model;
        let number = printable(sn);
        [device, format!("serial number {number}{address}, SunSpec model {model}")]
    }

    /// The values as a table that fits `width` and `height`: without the phases where they find no
    /// room, and without what follows from other values.
    #[must_use]
    pub fn table(&self, width: usize, height: usize) -> Vec<String> {
        let room = width.saturating_sub(LABEL);
        let (value, columns) = match room.checked_div(4) {
            Some(value) if value >= VALUE.1 => (value.min(VALUE.0), 4),
            _ => (room.min(VALUE.0), 1),
        };
        let missing = ROWS.len().saturating_add(1).saturating_sub(height);
        let left_out = DERIVED.get(..missing).unwrap_or(&DERIVED);
        let heads = ["total", "L1", "L2", "L3"].into_iter().take(columns);
        let head =
            heads.fold(format!("{:LABEL$}", ""), |line, head| line + &format!("{head:>value$}"));
        let rows = self.rows().filter(|(row, _)| !left_out.contains(&row.label));
        let rows = rows.map(|(Row { label, unit, .. }, values)| {
            let digits = match unit {
                "Wh" => 0,
                "" => 3,
                _ => 2,
            };
            let start = format!("{label:16}{unit:>4}");
            values.take(columns).fold(start, |line, (_, number)| match number {
                Some(number) => line + &format!("{number:>value$.digits$}"),
                None => line + &format!("{:>value$}", "-"),
            })
        });
        iter::once(head).chain(rows).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.identity().join("\n"))?;
        // So that no line wraps on a narrow terminal.
        self.table(80, usize::MAX).iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Serialize for Report {
    /// One flat object, with the SunSpec names of the points as keys.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Model1 { mn, md, opt, vr, sn, da } = &self.common;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Mn", mn)?;
        map.serialize_entry("Md", md)?;
        map.serialize_entry("Opt", opt)?;
        map.serialize_entry("Vr", vr)?;
        map.serialize_entry("SN", sn)?;
        map.serialize_entry("DA", da)?;
        map.serialize_entry("ID", &self.model)?;
        for (point, value) in self.rows().flat_map(|(_, values)| values) {
            map.serialize_entry(point, &value)?;
        }
        map.end()
    }
}
