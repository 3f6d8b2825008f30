// What an endpoint is used to be asked: the rolling reference that requests are held against. How far a
// window may be from it is learnt as well. Where rows come in the order of the day, or a client at a time,
// windows differ by much more than chance, and what would be an alarm elsewhere is what every window looks
// like. So a column is wrong when it is several times as far off as most of the last windows were, farther
// than it has been again and again, and no less than a fixed distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "serve/number_window.h"

namespace trimtab::serve {

// How far a column of a window is from what is usual.
struct ColumnGap {
  double place = 0;     // Of the median, in usual standard deviations (from the quartiles).
  double scale = 0;     // Log of the ratio of the spreads.
  double relation = 0;  // Rows · sum over the other columns of the squared change of correlation.
};

class Reference {
 public:
  static constexpr std::int64_t kRowsMin = 1000;
  static constexpr std::size_t kWindowsMin = 8;     // Before that it is not known how windows differ.
  static constexpr std::size_t kWindowsKept = 128;  // By whose gaps that is known.

  Reference() = default;
  explicit Reference(std::size_t columns);

  // Moves towards a window in which nothing was wrong.
  void learn(const WindowShape& window);
  // Only remembers how far off a window was: one in which something was wrong. What is wrong again and again,
  // each time otherwise or without an explanation, is how windows are here.
  void note(const WindowShape& window);
  bool is_ready() const { return rows_ >= kRowsMin && windows_ >= kWindowsMin; }
  std::int64_t rows() const { return rows_; }  // That it was learnt from.
  const ColumnShape& usual(std::size_t column) const { return columns_[column].usual; }
  const Relations& relations() const { return relations_; }

  // A column of numbers that nearly never repeat: only of such is anything said.
  bool is_continuous(std::size_t column) const;
  // Positive numbers that are nearer to even on a scale of ratios. Their places and spreads are those of
  // their logarithms, so that all of them growing by a fifth is a change of place alone.
  bool is_of_ratios(std::size_t column) const;
  bool never_misses(std::size_t column) const;
  double to_scale(std::size_t column, double number) const;    // The number, or its logarithm.
  double from_scale(std::size_t column, double number) const;  // And back.
  double place(std::size_t column) const;                      // The usual median, on that scale, …
  double spread(std::size_t column) const;                     // … and standard deviation.

  std::vector<ColumnGap> gaps(const WindowShape& window) const;
  // More than changes by themselves, from window to window.
  bool is_moved(std::size_t column, const ColumnGap& gap) const;  // In place alone: harmless shifts do that.
  // A column of ratios by about two or more, all rows alike.
  bool is_multiplied(std::size_t column, const ColumnGap& gap) const;
  bool is_wrong(std::size_t column, const ColumnGap& gap) const;
  // What is more than usual about a column, in units of what makes it wrong; 0: nothing.
  double discrepancy(std::size_t column, const ColumnGap& gap) const;
  // Of its place and scale alone.
  double misfit(std::size_t column, const ColumnGap& gap) const;
  double discrepancy(const WindowShape& window) const;

 private:
  struct Column {
    ColumnShape usual;
    std::deque<ColumnGap> gaps;  // Of the last windows, oldest first.
    ColumnGap room;              // What they usually stay within.
  };
  double relation_noise() const;

  std::int64_t rows_ = 0;
  std::size_t windows_ = 0;
  std::vector<Column> columns_;
  Relations relations_;
};

}  // namespace trimtab::serve
