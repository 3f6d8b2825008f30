#include "http/reply_ticket.h"

#include <exception>
#include <string>
#include <utility>
#include <variant>

#include "base/log.h"

namespace trimtab::http {

void Mailbox::put(Recipient* to, Reply reply) {
  const std::lock_guard lock(mutex_);
  if (!wake_) return;
  letters_.push_back({to, std::move(reply)});
  if (letters_.size() == 1) wake_();
}

void Mailbox::hand_out() {
  {
    const std::lock_guard lock(mutex_);
    opened_.swap(letters_);
  }
  for (Letter& letter : opened_) letter.to->delivered(std::move(letter.reply));
  opened_.clear();
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  wake_ = nullptr;
  letters_.clear();
}

Ticket::~Ticket() {
  if (settle()) mailbox_->put(recipient_, dropped_reply());
}

void Ticket::deliver(Reply reply) {
  reply_ = std::move(reply);
  arrive();
}

void Ticket::arrive() {
  if (awaited_.fetch_sub(1) == 1) mailbox_->put(recipient_, std::move(reply_));
}

std::optional<Reply> call_handler(const Route& route, const Request& request,
                                  const std::shared_ptr<Ticket>& ticket) {
  std::string problem;
  try {
    Answer answer = route.handler(request, ReplyPromise(ticket));
    Reply* reply = std::get_if<Reply>(&answer);
    if (reply == nullptr) return std::nullopt;
    if (ticket->settle()) return std::move(*reply);
    problem = "both returned a reply and sent one";
  } catch (const std::exception& error) {
    problem = error.what();
  } catch (...) {
    problem = "threw something that is no exception";
  }
  base::log_error("http", "the handler of " + route.method + " " + route.path + ": " + problem);
  if (!ticket->settle()) return std::nullopt;
  return error_reply({ErrorCode::internal, "internal error", {}, std::nullopt, nullptr});
}

}  // namespace trimtab::http
