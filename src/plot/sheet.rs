//! The sheet a plot is drawn on: 960 by 540 units, white, written as SVG into a string.
//!
//! Everything drawn goes through here, so that the plots share one type face, one set of greys and
//! one way of placing things. All coordinates are whole units with the origin at the top left;
//! text is left to the viewer's own sans-serif face, hence widths can only be estimated, and are
//! estimated generously. The bytes follow from the calls alone. Cost: one line of text a shape.

use plotters::prelude::{DrawingBackend, RGBColor, SVGBackend, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, TextStyle};
use std::io;

/// Width of a sheet.
pub const WIDTH: i32 = 960;
/// Height of a sheet.
pub const HEIGHT: i32 = 540;
/// Where titles begin.
const MARGIN: i32 = 24;

/// Colour of titles and names.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Colour of tick labels and remarks.
pub const MUTED: RGBColor = RGBColor(0x59, 0x59, 0x59);
/// Colour of the lines behind the data.
pub const GRID: RGBColor = RGBColor(0xE2, 0xE2, 0xE2);
/// Colour of the lines the data stands on.
pub const AXIS: RGBColor = RGBColor(0x80, 0x80, 0x80);

/// Sky blue, from the palette of Okabe and Ito, which is made for all kinds of colour vision.
pub const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
/// Blue, from the same palette.
pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// Green, from the same palette.
pub const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
/// Orange, from the same palette.
pub const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
/// Vermilion, from the same palette.
pub const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// Purple, from the same palette.
pub const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);

/// A point on a sheet.
pub type Point = (i32, i32);

/// Which point of a text stands where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The left end.
    Left,
    /// The middle.
    Middle,
    /// The right end.
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Face {
    /// Height in units.
    pub size: i32,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub colour: RGBColor,
}

impl Face {
    /// For the title of a sheet.
    pub const TITLE: Face = Face::of(17, true, INK);
    /// For the name of an axis or a class.
    pub const NAME: Face = Face::of(13, false, INK);
    /// For tick labels and remarks.
    pub const SMALL: Face = Face::of(12, false, MUTED);

    const fn of(size: i32, bold: bool, colour: RGBColor) -> Face {
        Face { size, bold, colour }
    }

    /// The same in bold and in a colour.
    pub const fn strong(self, colour: RGBColor) -> Face {
        Face::of(self.size, true, colour)
    }

    /// An estimate of the width of a text, rather too much than too little.
    pub fn width(self, text: &str) -> i32 {
        let per_cent = if self.bold { 68 } else { 62 };
        let glyphs = i32::try_from(text.chars().count()).unwrap_or(WIDTH);
        glyphs.saturating_mul(self.size * per_cent) / 100
    }
}

/// A rectangle of a sheet that data is drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Left edge.
    pub left: i32,
    /// Right edge.
    pub right: i32,
    /// Upper edge.
    pub top: i32,
    /// Lower edge.
    pub bottom: i32,
}

impl Frame {
    /// Left edge of all frames: the tick labels of the upright axis fit beside it.
    pub const LEFT: i32 = 76;
    /// Right edge of all frames: half a tick label of the level axis fits beside it.
    pub const RIGHT: i32 = WIDTH - 44;

    /// A frame as wide as all frames are.
    pub const fn between(top: i32, bottom: i32) -> Frame {
        Frame {
            left: Frame::LEFT,
            right: Frame::RIGHT,
            top,
            bottom,
        }
    }

    /// Where a share of the width lies, counted from the left; beyond the edges is at the edge.
    pub fn x(&self, share: f64) -> i32 {
        self.left + (share.clamp(0.0, 1.0) * f64::from(self.right - self.left)).round() as i32
    }

    /// Where a share of the height lies, counted from below; beyond the edges is at the edge.
    pub fn y(&self, share: f64) -> i32 {
        self.bottom - (share.clamp(0.0, 1.0) * f64::from(self.bottom - self.top)).round() as i32
    }
}

/// A sheet being drawn on.
pub struct Sheet<'a>(SVGBackend<'a>);

impl<'a> Sheet<'a> {
    /// A white sheet with a title and, unless it is empty, a remark under it.
    pub fn new(svg: &'a mut String, title: &str, remark: &str) -> io::Result<Sheet<'a>> {
        svg.clear();
        let mut sheet = Sheet(SVGBackend::with_string(svg, (WIDTH as u32, HEIGHT as u32)));
        sheet.rectangle((0, 0), (WIDTH, HEIGHT), RGBColor(255, 255, 255), 1.0)?;
        sheet.text(title, (MARGIN, 28), Hold::Left, Face::TITLE)?;
        if !remark.is_empty() {
            sheet.text(remark, (MARGIN, 50), Hold::Left, Face::SMALL)?;
        }
        Ok(sheet)
    }

    /// Writes a text, its middle line at the height of the point.
    pub fn text(&mut self, text: &str, at: Point, hold: Hold, face: Face) -> io::Result<()> {
        let style = if face.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        // The backend divides by 1.24.
        let font = (FontFamily::SansSerif, f64::from(face.size) * 1.24, style).into_font();
        let across = match hold {
            Hold::Left => HPos::Left,
            Hold::Middle => HPos::Center,
            Hold::Right => HPos::Right,
        };
        let style = TextStyle::from(font)
            .color(&face.colour)
            .pos(Pos::new(across, VPos::Center));
        self.0.draw_text(text, &style, at).map_err(io::Error::other)
    }

    /// Outlines a frame and says in its middle why there is nothing in it.
    pub fn say(&mut self, text: &str, frame: Frame) -> io::Result<()> {
        let style = ShapeStyle::from(GRID);
        self.0
            .draw_rect(
                (frame.left, frame.top),
                (frame.right, frame.bottom),
                &style,
                false,
            )
            .map_err(io::Error::other)?;
        let at = (
            (frame.left + frame.right) / 2,
            (frame.top + frame.bottom) / 2,
        );
        let face = Face {
            size: 15,
            ..Face::SMALL
        };
        self.text(text, at, Hold::Middle, face)
    }

    /// Draws a straight line.
    pub fn line(&mut self, from: Point, to: Point, colour: RGBColor) -> io::Result<()> {
        let style = ShapeStyle::from(colour);
        self.0.draw_line(from, to, &style).map_err(io::Error::other)
    }

    /// Draws a line through points.
    pub fn path(&mut self, points: &[Point], colour: RGBColor, width: u32) -> io::Result<()> {
        let style = ShapeStyle::from(colour).stroke_width(width);
        self.0
            .draw_path(points.iter().copied(), &style)
            .map_err(io::Error::other)
    }

    /// Fills the area inside a line through points.
    pub fn area(&mut self, points: &[Point], colour: RGBColor, opacity: f64) -> io::Result<()> {
        let style = ShapeStyle::from(colour.mix(opacity)).filled();
        self.0
            .fill_polygon(points.iter().copied(), &style)
            .map_err(io::Error::other)
    }

    /// Fills a rectangle.
    pub fn rectangle(
        &mut self,
        from: Point,
        to: Point,
        colour: RGBColor,
        opacity: f64,
    ) -> io::Result<()> {
        let style = ShapeStyle::from(colour.mix(opacity)).filled();
        self.0
            .draw_rect(from, to, &style, true)
            .map_err(io::Error::other)
    }

    /// Draws the line that the data in a frame stands on, over the data's own line at 0.
    pub fn ground(&mut self, frame: Frame) -> io::Result<()> {
        let ends = [(frame.left, frame.bottom), (frame.right, frame.bottom)];
        self.path(&ends, AXIS, 2)
    }

    /// Draws a legend in one row, beginning below the title.
    pub fn legend(&mut self, entries: &[(String, RGBColor)], y: i32) -> io::Result<()> {
        let mut x = MARGIN;
        for (text, colour) in entries {
            self.rectangle((x, y - 6), (x + 12, y + 6), *colour, 1.0)?;
            self.text(text, (x + 18, y), Hold::Left, Face::SMALL)?;
            x += 18 + Face::SMALL.width(text) + 14;
        }
        Ok(())
    }

    /// Draws a legend of one entry below the other, the first at a point.
    pub fn list(&mut self, entries: &[(String, RGBColor)], at: Point) -> io::Result<()> {
        let (x, mut y) = at;
        for (text, colour) in entries {
            self.rectangle((x, y - 6), (x + 12, y + 6), *colour, 1.0)?;
            self.text(text, (x + 18, y), Hold::Left, Face::SMALL)?;
            y += 24;
        }
        Ok(())
    }

    /// Ends the picture. Without this it lacks its closing tag.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.present().map_err(io::Error::other)
    }
}

/// Adds a point unless the line is there already.
pub fn extend(line: &mut Vec<Point>, point: Point) {
    if line.last() != Some(&point) {
        line.push(point);
    }
}
