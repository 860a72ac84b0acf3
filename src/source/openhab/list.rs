//! All items of openHAB at once.

use std::{collections::BTreeMap, time::Duration};

use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::{fetch::access_hint, is_item_name};
use crate::{
    meter::units::Quantity,
    source::{
        ListedItem,
        backoff::later,
        http::{Client, HttpError},
    },
};

/// Of an item only what is needed here. openHAB has no cheaper way to all of them.
const PATH: &str = "/rest/items?metadata=&recursive=false&fields=name,label,type,groupType,function,groupNames,state";

/// The largest list, in bytes: a house of 10,000 items has 2 MB.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// The most time for it. A Raspberry Pi takes a second for a large house.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// openHAB cannot be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It answers with another status than 200.
    #[error("openHAB answers {0}{hint}", hint = access_hint(*.0))]
    Status(StatusCode),
    /// What it answers is something else, or far too large.
    #[error("what answers is not openHAB's list of items, or larger than 16 MiB")]
    NotAList,
}

/// An item in openHAB's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    #[serde(default)]
    label: String,
    r#type: String,
    /// What the state of a group is like.
    #[serde(default)]
    group_type: Option<String>,
    #[serde(default)]
    function: Option<Function>,
    #[serde(default)]
    group_names: Vec<String>,
    #[serde(default)]
    state: String,
}

/// How the state of a group follows from those of its members.
#[derive(Deserialize)]
struct Function {
    name: String,
}

/// Asks openHAB for all its items, and keeps those that have numbers.
pub(super) async fn list(client: &mut Client) -> Result<Vec<ListedItem>, ListError> {
    let deadline = later(Instant::now(), LIST_LIMIT);
    let answer = client.text_within(MAX_LIST, deadline, PATH, "application/json").await?;
    match answer {
        (StatusCode::OK, Some(body)) => listed(&body).ok_or(ListError::NotAList),
        (StatusCode::OK, None) => Err(ListError::NotAList),
        (status, _) => Err(ListError::Status(status)),
    }
}

/// The items of an answer that have numbers.
fn listed(body: &str) -> Option<Vec<ListedItem>> {
    let items: Vec<Item> = serde_json::from_str(body).ok()?;
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in items.iter().filter(|item| is_item_name(&item.name)) {
        for group in &item.group_names {
            members.entry(group.clone()).or_default().push(item.name.clone());
        }
    }
    let listed = items.into_iter().filter(|item| is_item_name(&item.name)).map(|item| ListedItem {
        quantity: item.quantity(),
        members: if item.is_sum() {
            members.remove(&item.name).unwrap_or_default()
        } else {
            Vec::new()
        },
        name: item.name,
        label: item.label,
        state: item.state,
    });
    Some(listed.filter(ListedItem::is_number).collect())
}

impl Item {
    fn is_sum(&self) -> bool {
        self.function.as_ref().is_some_and(|function| function.name.eq_ignore_ascii_case("SUM"))
    }

    /// By the unit of its state, or else by its type.
    fn quantity(&self) -> Option<Quantity> {
        let symbol = self.state.split_once(' ').map(|(_, symbol)| symbol);
        symbol.and_then(Quantity::of_symbol).or_else(|| {
            match self.group_type.as_deref().unwrap_or(&self.r#type) {
                "Number:Energy" => Some(Quantity::Energy),
                "Number:Power" => Some(Quantity::Power),
                "Number:ElectricPotential" => Some(Quantity::Voltage),
                "Number:ElectricCurrent" => Some(Quantity::Current),
                "Number:Frequency" => Some(Quantity::Frequency),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_with_numbers_are_listed_with_what_they_measure() {
        let body = r#"[
            {"state":"777 W","type":"Number:Power","name":"P","label":"Roof","groupNames":["G"]},
            {"state":"UNDEF","type":"Number:Power","name":"M2","groupNames":["G","Other"]},
            {"state":"7 kW","type":"Group","groupType":"Number:Power","name":"G","groupNames":[],
             "function":{"name":"SUM"}},
            {"state":"12345","type":"Number","name":"Plain"},
            {"state":"21 °C","type":"Number:Temperature","name":"T"},
            {"state":"ON","type":"Switch","name":"S"},
            {"state":"5 W","type":"Number:Power","name":"not/a/name"}]"#;
        let listed = listed(body).unwrap();
        let names: Vec<_> = listed.iter().map(|item| (item.name.as_str(), item.quantity)).collect();
        let power = Some(Quantity::Power);
        assert_eq!(names, [("P", power), ("M2", power), ("G", power), ("Plain", None)]);
        assert_eq!(listed[0].label, "Roof");
        assert_eq!(listed[2].members, ["P", "M2"]);
        assert!(listed[0].members.is_empty());
    }

    #[test]
    fn what_is_not_a_list_of_items_is_refused() {
        for body in ["", "{}", "<html>", r#"[{"name":5}]"#, r#"[{"state":"1 W"}]"#] {
            assert_eq!(listed(body), None, "{body}");
        }
    }
}
