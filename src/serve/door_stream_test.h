// Rows for the tests of the door: four columns that go together, with a season, and what sources do to them.
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "serve/number_window.h"
#include "serve/request_rows.h"

namespace trimtab::serve {

// temp 15 ± 8, far 70 ± 12, even 0 ± 1, and price, of ratios; hits is whole. All are moved by two causes.
class DoorStream {
 public:
  explicit DoorStream(unsigned seed = 1) : random_(seed) {}

  static table::Schema schema() {
    using table::ColumnType;
    return table::Schema({{"temp", ColumnType::real},
                          {"far", ColumnType::real},
                          {"even", ColumnType::real},
                          {"price", ColumnType::real},
                          {"hits", ColumnType::integer},
                          {"kind", ColumnType::text}});
  }
  static constexpr int kTemp = 0, kFar = 1, kEven = 2, kPrice = 3, kHits = 4;

  double season = 0;  // Moves temp and far, in standard deviations.

  RequestRows rows(int count) {
    RequestRows request{table::Batch(schema()), {}, {}, false, {}, 0};
    request.rows.reset(count);
    request.ids.assign(static_cast<std::size_t>(count), std::nullopt);
    for (int row = 0; row < count; ++row) {
      const double a = draw();
      const double b = draw();
      const auto mix = [&](double of_a, double of_b) {
        return of_a * a + of_b * b + std::sqrt(1 - of_a * of_a - of_b * of_b) * draw();
      };
      request.rows.set_real(kTemp, row, 15 + 8 * (mix(0.8, 0.1) + season));
      request.rows.set_real(kFar, row, 70 + 12 * (mix(0.6, 0.5) + season));
      request.rows.set_real(kEven, row, mix(0.5, -0.7));
      request.rows.set_real(kPrice, row, std::exp(1 + 0.6 * mix(-0.3, 0.8)));
      request.rows.set_integer(kHits, row, std::llround(5000 + 900 * mix(0.4, 0.6)));
      request.rows.set_text(5, row, "basic");
    }
    return request;
  }

 private:
  double draw() { return normal_(random_); }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

inline void change(RequestRows& request, int column, const std::function<double(double)>& how) {
  for (int row = 0; row < request.rows.rows(); ++row) {
    if (column == DoorStream::kHits) {
      request.rows.set_integer(column, row,
                               std::llround(how(static_cast<double>(request.rows.integer(column, row)))));
    } else {
      request.rows.set_real(column, row, how(request.rows.real(column, row)));
    }
  }
}

inline std::vector<double> numbers_of(const RequestRows& request, int column) {
  std::vector<double> numbers;
  for (int row = 0; row < request.rows.rows(); ++row) {
    if (request.rows.is_null(column, row)) {
      numbers.push_back(kNoNumber);
    } else {
      numbers.push_back(column == DoorStream::kHits ? static_cast<double>(request.rows.integer(column, row))
                                                    : request.rows.real(column, row));
    }
  }
  return numbers;
}

}  // namespace trimtab::serve
